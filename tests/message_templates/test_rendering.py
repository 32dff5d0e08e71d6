"""Rendering through the child process: order, types, restarts, threads, forks."""

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from webapp.message_templates.engine import Engine
from webapp.message_templates.render_child import requests
from webapp.message_templates.rendering import (
    Rendered,
    RenderFailure,
    RenderPool,
    Source,
)
from webapp.message_templates.vocabulary import FILTERS, TESTS
from webapp.message_templates.wire import frame

BASE = "https://library.example"
SOURCE = Source("html", "{{ n }}", html="<p>{{ n }} <a href='/x'>x</a></p>")


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool(size=2) as pool:
        yield pool


def texts(results: list[Rendered | RenderFailure]) -> list[str]:
    return [r.text if isinstance(r, Rendered) else r.words for r in results]


def test_rows_come_back_in_order(pool: RenderPool) -> None:
    results = pool.render_many(SOURCE, [{"n": n} for n in range(1200)], BASE)
    assert [r.subject for r in results if isinstance(r, Rendered)] == [
        str(n) for n in range(1200)
    ]


def test_no_rows_no_results(pool: RenderPool) -> None:
    assert pool.render_many(SOURCE, [], BASE) == []


def test_the_child_renders_what_the_engine_renders(pool: RenderPool) -> None:
    row = {
        "n": "Zoë <&> \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
    }
    assert pool.render_many(SOURCE, [row], BASE) == [Engine().render(SOURCE, row, BASE)]


@pytest.mark.parametrize(
    "value",
    [
        date(2027, 3, 14),
        datetime(2027, 3, 14, 7, 30, tzinfo=UTC),
        Decimal("1.10"),
        12.25,
        10**30,
        True,
        {"$date": "no date"},
    ],
)
def test_types_arrive(pool: RenderPool, value: object) -> None:
    source = Source("text", "s", "{% if v is mapping %}m{% else %}{{ v }}{% endif %}")
    (here,) = [Engine().render(source, {"v": value}, None)]
    if isinstance(value, dict):
        with pytest.raises(ValueError, match="Invalid isoformat"):
            date.fromisoformat(value["$date"])
        return
    assert pool.render_many(source, [{"v": value}], None) == [here]


def test_one_bad_row_does_not_stop_the_others(pool: RenderPool) -> None:
    rows: list[dict[str, object]] = [{"n": "a"}, {}, {"n": "c"}]
    first, second, third = pool.render_many(SOURCE, rows, BASE)
    assert isinstance(first, Rendered)
    assert isinstance(second, RenderFailure)
    assert second.variable == "n"
    assert isinstance(third, Rendered)


def test_a_killed_child_is_replaced(pool: RenderPool) -> None:
    pool.render_many(SOURCE, [{"n": 1}], BASE)
    for child in pool._idle:
        os.kill(child.pid, 9)
    assert len(pool.render_many(SOURCE, [{"n": 1}], BASE)) == 1
    assert isinstance(pool.render_many(SOURCE, [{"n": 1}], BASE)[0], Rendered)


def test_threads_share_the_pool(pool: RenderPool) -> None:
    def one(n: int) -> list[str]:
        return texts(pool.render_many(Source("text", "s", "{{ n }}"), [{"n": n}], None))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(60))) == [[str(n)] for n in range(60)]


def test_a_forked_process_does_not_use_its_parents_children(pool: RenderPool) -> None:
    pool.render_many(SOURCE, [{"n": 1}], BASE)
    before = {child.pid for child in pool._idle}
    pid = os.fork()
    if pid == 0:
        made = pool.render_many(SOURCE, [{"n": 2}], BASE)
        mine = {child.pid for child in pool._idle}
        pool.close()
        os._exit(0 if isinstance(made[0], Rendered) and not mine & before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert texts(pool.render_many(SOURCE, [{"n": 3}], BASE))[0].startswith("3 x:")


def test_every_filter_and_test_works_inside_the_limits(pool: RenderPool) -> None:
    calls = {
        "d": "'a'|d('b')", "default": "none_such|default('b')", "date": "day|date",
        "divisibleby": "4 is divisibleby(2)", "in": "1 is in([1])",
        "number": "1234.5|number(2)", "round": "1.5|round", "sum": "[1, 2]|sum",
        "join": "[1, 2]|join('-')", "replace": "'a'|replace('a', 'b')",
        "truncate": "'abc def'|truncate(4)",
    }  # fmt: skip
    comparing = {
        "eq",
        "equalto",
        "ge",
        "gt",
        "greaterthan",
        "le",
        "lt",
        "lessthan",
        "ne",
    }
    lists = {
        "list",
        "unique",
        "sort",
        "reverse",
        "first",
        "last",
        "max",
        "min",
        "length",
        "count",
    }
    expressions = [
        calls.get(name) or f"[2, 1]|{name}|string" for name in lists & set(FILTERS)
    ]
    expressions = [e.replace("|string", " is defined") for e in expressions]
    expressions += [
        calls.get(n, f"'4'|{n}") for n in FILTERS if n not in lists | {"abs"}
    ]
    expressions += ["-4|abs"]
    for name in sorted(set(TESTS) - {"=="}):
        expressions.append(
            calls.get(name, f"4 is {name}{'(3)' if name in comparing else ''}")
        )
    source = Source("text", "s", "\n".join(f"{{{{ {e} }}}}" for e in expressions))
    (made,) = pool.render_many(source, [{"day": date(2027, 3, 14)}], None)
    assert isinstance(made, Rendered), made
    assert len(made.text.splitlines()) == len(expressions)


def test_the_child_has_no_environment_and_opens_no_file(pool: RenderPool) -> None:
    pool.render_many(SOURCE, [{"n": 1}], BASE)
    child = pool._idle[-1].pid
    with open(f"/proc/{child}/environ", "rb") as environ:  # noqa: PTH123 - not a real path
        assert environ.read() == b"LC_ALL=C.UTF-8\0"
    with open(f"/proc/{child}/limits", encoding="ascii") as limits:  # noqa: PTH123 - as above
        opened = next(line for line in limits if line.startswith("Max open files"))
    assert opened.split()[3:5] == ["3", "3"]


@pytest.mark.parametrize("cut", [3, 9, 20])
def test_the_child_ends_when_its_parent_is_gone(cut: int) -> None:
    whole = frame(["render", [], None, [], True])
    assert len(list(requests(io.BytesIO(whole + whole)))) == 2
    assert len(list(requests(io.BytesIO(whole + whole[:cut])))) == 1
    assert list(requests(io.BytesIO(b"\xff\xff\xff\xff"))) == []
