"""Attack 02: message templates that eat processor time or memory."""

import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from webapp.message_templates.limits import Limits
from webapp.message_templates.reading import SourceError, parse, undeclared
from webapp.message_templates.rendering import (
    Rendered,
    RenderFailure,
    RenderPool,
    Source,
)

# Enough for a machine that is busy with other things; without limits it is for ever.
PATIENCE = 300
FOREVER = (
    "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
    "{% endfor %}{% endfor %}{% endfor %}"
)
BOMBS = [
    FOREVER,
    "{{ 9 ** (9 ** 9) }}",
    "{{ 9 ** 9 ** 9 ** 9 ** 9 }}",
    "{{ 2.5 ** 100000 }}",
    "{{ 'x' * 10 ** 10 }}",
    "{{ [0] * 10 ** 10 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a'|center(10 ** 10) }}",
    "{{ 'a'|indent(10 ** 7) }}",
    "{{ 'a'.ljust(10 ** 10) }}",
    "{{ 'a'.zfill(10 ** 10) }}",
    "{{ ('a' * 9999)|replace('a', 'b' * 9999)|replace('b', 'c' * 9999) }}",
    "{% set n = namespace(x='aa') %}{% for i in range(60) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "{% set n = namespace(x=[0]) %}{% for i in range(60) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}",
    "{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
    "{{ m(60) }}",
    "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "{{ range(10 ** 12) }}",
    "{% for x in range(10 ** 12) %}{% endfor %}",
    "{{ day|date('%1000000000d') }}",
    "{{ 1|number(10 ** 9) }}",
    "{{ 'a'|truncate(10 ** 10) * 10 ** 10 }}",
]


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool(size=2) as pool:
        yield pool


@pytest.mark.parametrize("format_", ["text", "html"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_fails_in_words_and_in_time(
    pool: RenderPool, bomb: str, format_: str
) -> None:
    source = Source(format_, "s", bomb if format_ == "text" else "", bomb)
    started = time.monotonic()
    (made,) = pool.render_many(source, [{"day": None}], None)
    assert isinstance(made, RenderFailure), made
    assert made.words
    assert time.monotonic() - started < PATIENCE


def test_the_memory_of_a_child_is_capped() -> None:
    with RenderPool() as pool:
        pool.render_many(Source("text", "s", "t"), [{}], None)
        child = psutil.Process(pool._idle[0].pid)
        limit = child.rlimit(psutil.RLIMIT_AS)
    assert limit == (Limits().memory_bytes,) * 2


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10 ** 10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'a'|truncate(1)|replace('a', 'b') }}",
    ],
)
def test_reading_a_source_computes_nothing(source: str) -> None:
    before = psutil.Process().memory_info().rss
    started = time.process_time()
    parse(source)
    assert undeclared(Source("text", source, source)) == set()
    assert time.process_time() - started < 1
    assert psutil.Process().memory_info().rss - before < 50_000_000


@pytest.mark.parametrize(
    "source", ["{{ " + "(" * 50_000, "{{ " + "-" * 50_000 + "1 }}", "x" * 300_000]
)
def test_reading_ends_with_words(source: str) -> None:
    started = time.process_time()
    with pytest.raises(SourceError):
        parse(source)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "html",
    [
        "<a " * 80_000,
        "<a href='" * 25_000,
        "<!--" * 60_000,
        "<style>" * 30_000,
        "{# " * 80_000,
    ],
)
def test_broken_html_costs_bounded_time(pool: RenderPool, html: str) -> None:
    started = time.monotonic()
    pool.render_many(Source("html", "s", html=html), [{}], None)
    assert time.monotonic() - started < PATIENCE


def test_only_the_hostile_row_fails(pool: RenderPool) -> None:
    source = Source("text", "s", "{{ n }}{% if n == 37 %}" + FOREVER + "{% endif %}")
    results = pool.render_many(source, [{"n": n} for n in range(100)], None)
    failed = [n for n, made in enumerate(results) if isinstance(made, RenderFailure)]
    assert failed == [37]
    good = [made.text for made in results if isinstance(made, Rendered)]
    assert good == [str(n) for n in range(100) if n != 37]


def test_a_message_template_that_always_hangs_is_given_up() -> None:
    limits = Limits(kills=2)
    started = time.monotonic()
    with RenderPool(limits=limits) as pool:
        results = pool.render_many(Source("text", "s", FOREVER), [{}] * 300, None)
    assert len(results) == 300
    assert all(isinstance(made, RenderFailure) for made in results)
    assert time.monotonic() - started < 2 * PATIENCE


def test_a_stopped_child_is_ended_by_the_parent() -> None:
    with RenderPool(limits=Limits(wall_seconds=0.5)) as pool:
        pool.render_many(Source("text", "s", "t"), [{}], None)
        child = psutil.Process(pool._idle[0].pid)
        child.suspend()
        (made,) = pool.render_many(Source("text", "s", "t"), [{}], None)
        assert isinstance(made, RenderFailure)
        assert not child.is_running()


def test_others_render_quickly_meanwhile() -> None:
    honest = Source("text", "s", "{{ n }}")
    limits = Limits(cpu_seconds=PATIENCE, wall_seconds=PATIENCE)
    with RenderPool(size=2, limits=limits) as pool:
        pool.render_many(honest, [{"n": 0}], None)
        child = psutil.Process(pool._idle[0].pid)
        stuck = threading.Thread(
            target=pool.render_many, args=(Source("text", "s", FOREVER), [{}], None)
        )
        stuck.start()
        while pool._idle:
            time.sleep(0.01)
        made = pool.render_many(honest, [{"n": 1}], None)
        assert stuck.is_alive()
        child.send_signal(signal.SIGXCPU)  # as the kernel does
        stuck.join()
    assert isinstance(made[0], Rendered)
