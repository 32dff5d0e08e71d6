"""Attack 01: leave the sandbox from a message template, through the running code."""

from collections.abc import Iterator

import pytest
from jinja2.exceptions import SecurityError, TemplateAssertionError

from webapp.message_templates.rendering import RenderFailure, RenderPool, Source
from webapp.message_templates.sandbox import MissingValue, Sandbox

ATTACKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ name.__class__ }}",
    "{{ name['__class__'] }}",
    "{{ name['__cl' ~ 'ass__'] }}",
    "{{ ()|attr('__class__') }}",
    "{{ name|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ [name]|map(attribute='__class__')|list }}",
    "{{ [name]|sort(attribute='__class__')|first }}",
    "{{ [name]|join(attribute='__class__') }}",
    "{{ [name]|sum(attribute='__class__', start='') }}",
    "{{ [name]|min(attribute='__class__') }}",
    "{{ [name]|unique(attribute='__class__')|first }}",
    "{{ [name]|map('upper')|list }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ '{a.__class__}'.format_map({'a': name}) }}",
    "{{ name['format'] }}",
    "{{ '%s'|format(name) }}",
    "{{ '%c' % 65 }}",
    "{{ name|safe }}",
    "{{ name|tojson }}",
    "{{ url.__globals__ }}",
    "{{ url }}",
    "{{ range.__init__ }}",
    "{{ namespace.__init__ }}",
    "{{ namespace }}",
    "{% set ns = namespace() %}{{ ns.__class__ }}",
    "{% set ns = namespace() %}{{ ns._Namespace__attrs }}",
    "{{ self }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ joiner }}",
    "{{ config }}",
    "{{ request }}",
    "{{ g }}",
    "{{ get_flashed_messages() }}",
    "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{{ name.encode() }}",
    "{{ name.join.__self__ }}",
    "{{ (1).real }}",
    "{{ none_such.__class__ }}",
    "{{ empty.__class__ }}",
    "{{ {}.__class__ }}",
    "{{ {}.pop }}",
    "{{ [].append(1) }}",
    "{{ [] }}",
    "{{ day.__reduce__ }}",
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as x %}",
    "{% from '/etc/passwd' import x %}",
    "{% extends '/etc/passwd' %}",
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{% autoescape false %}{{ name }}{% endautoescape %}",
    "{% filter upper %}{{ name }}{% endfilter %}",
    "{% set x %}{{ name }}{% endset %}{{ x }}",
    "{% do name %}",
    "{% debug %}",
]


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool() as pool:
        yield pool


@pytest.mark.parametrize("format_", ["text", "html", "markdown"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attack_is_refused_in_words(
    pool: RenderPool, attack: str, format_: str
) -> None:
    source = Source(format_, "s", text=attack, html=attack)
    (made,) = pool.render_many(source, [{"name": "Ada", "empty": None}], None)
    assert isinstance(made, RenderFailure), made
    assert "0x" not in made.words
    assert "<class" not in made.words
    assert "Traceback" not in made.words


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_subject_is_no_way_out_either(pool: RenderPool, attack: str) -> None:
    (made,) = pool.render_many(
        Source("text", attack, "t"), [{"name": "Ada", "empty": None}], None
    )
    assert isinstance(made, RenderFailure), made


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_cell_is_never_a_message_template(pool: RenderPool, attack: str) -> None:
    source = Source("text", "{{ name }}", "{{ name }}")
    (made,) = pool.render_many(source, [{"name": attack}], None)
    assert not isinstance(made, RenderFailure)
    assert made.text == attack


def test_the_honest_use_of_the_same_parts_works(pool: RenderPool) -> None:
    source = Source(
        "text", "s", "{{ name.upper() }}{% for x in [1] %}{{ loop.index }}{% endfor %}"
    )
    (made,) = pool.render_many(source, [{"name": "Ada"}], None)
    assert not isinstance(made, RenderFailure)
    assert made.text == "ADA1"


# --- the sandbox alone, where nobody has read the source before --------------------


@pytest.mark.parametrize(
    "text",
    [
        "{{ name|attr('upper') }}",
        "{{ [name]|map('upper')|list }}",
        "{{ name|pprint }}",
        "{{ name is callable }}",
        "{{ name is filter }}",
    ],
)
def test_only_listed_filters_and_tests_exist(text: str) -> None:
    with pytest.raises(TemplateAssertionError):
        Sandbox().from_string(text)


@pytest.mark.parametrize("name", ["cycler", "joiner", "lipsum", "dict"])
def test_only_listed_functions_exist(name: str) -> None:
    with pytest.raises(MissingValue):
        Sandbox().from_string(f"{{{{ {name} }}}}").render()


def test_what_is_not_listed_cannot_be_called() -> None:
    called: list[int] = []
    with pytest.raises(SecurityError):
        Sandbox().from_string("{{ f() }}").render(f=lambda: called.append(1))
    assert called == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ name.__class__ }}",
        "{{ name['__class__'] }}",
        "{{ name.format }}",
        "{% set own = namespace(a=1) %}{% if own.__class__ %}1{% endif %}",
        "{% set own = namespace(a=1) %}{{ own._Namespace__attrs }}",
        "{{ range.__globals__ }}",
    ],
)
def test_only_listed_attributes_exist(text: str) -> None:
    with pytest.raises(SecurityError):
        Sandbox().from_string(text).render(name="Ada")
