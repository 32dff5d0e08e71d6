"""Read the source of a message template without running any of it.

Reading may happen in any process: constants are not computed (see the sandbox).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, meta, nodes

from webapp.message_templates.sandbox import Sandbox
from webapp.message_templates.source import MAX_SOURCE, Source
from webapp.message_templates.vocabulary import FILTERS, TESTS

_REFUSED_NODES: dict[type[nodes.Node], str] = {
    nodes.Include: "{% include %} is not available in a message template",
    nodes.Import: "{% import %} is not available in a message template",
    nodes.FromImport: "{% import %} is not available in a message template",
    nodes.Extends: "{% extends %} is not available in a message template",
    nodes.Block: "{% block %} is not available in a message template",
    nodes.FilterBlock: "{% filter %} is not available: use the filter on each value",
    nodes.AssignBlock: "{% set %} with an end is not available: use {% set name = … %}",
    nodes.EvalContextModifier: "Escaping cannot be turned off",
}


class SourceError(Exception):
    """A source that cannot be read as Jinja, or asks for what does not exist here."""

    def __init__(self, words: str, line: int, column: int = 1) -> None:
        super().__init__(words)
        self.words = words
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing in a source that the language does not have."""

    code: str
    words: str
    line: int


#: Reads sources and renders nothing.
READER: Environment = Sandbox()

#: Names that are always there, beside columns and system names.
FUNCTIONS = frozenset(READER.globals)


def parse(text: str) -> nodes.Template:
    """Read one part.

    Raises
    ------
    SourceError
        When it is not valid Jinja, with line and column.
    """
    if len(text) > MAX_SOURCE:
        raise SourceError(f"it is longer than {MAX_SOURCE // 1024} KB", 1)
    try:
        return READER.parse(text)
    except TemplateSyntaxError as error:
        lines = text.splitlines() or [""]
        line = min(max(error.lineno, 1), len(lines))
        words = (error.message or "it cannot be read").rstrip(".")
        raise SourceError(words, line, _caret(lines[line - 1])) from error
    except RecursionError as error:
        raise SourceError("it is nested too deeply", 1) from error


def _caret(line: str) -> int:
    starts = [at for at in (line.rfind("{{"), line.rfind("{%")) if at >= 0]
    return max(starts, default=0) + 1


def refusals(tree: nodes.Template) -> Iterator[Refusal]:
    """Yield what a source asks for and this language does not have."""
    for kind, words in _REFUSED_NODES.items():
        for node in tree.find_all(kind):
            yield Refusal("V05" if "Escaping" in words else "S02", words, node.lineno)
    for item in tree.find_all(nodes.Filter):
        if item.name not in FILTERS:
            code = "V05" if item.name in {"safe", "forceescape"} else "S02"
            yield Refusal(
                code, f"The filter “{item.name}” is not available", item.lineno
            )
    for test in tree.find_all(nodes.Test):
        if test.name not in TESTS:
            yield Refusal(
                "S02", f"The test “{test.name}” is not available", test.lineno
            )
    yield from _refused_attributes(tree)


def _refused_attributes(tree: nodes.Template) -> Iterator[Refusal]:
    for got in tree.find_all(nodes.Getattr):
        if got.attr.startswith(("_", "format")):
            yield Refusal("S02", f"“.{got.attr}” is not available", got.lineno)


def allow(tree: nodes.Template) -> None:
    """Raise `SourceError` for the first thing that this language does not have."""
    for refusal in refusals(tree):
        raise SourceError(refusal.words, refusal.line)


def names_of(tree: nodes.Template) -> set[str]:
    """Return the names that a part takes from outside."""
    try:
        names = meta.find_undeclared_variables(tree)
    except (TemplateSyntaxError, RecursionError):
        names = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"}
    return names - FUNCTIONS


def undeclared(source: Source) -> set[str]:
    """Return the names that a message template takes from row and system.

    Parts that cannot be read count for nothing here; linting reports them.

    Examples
    --------
    >>> source = Source("text", "{{ a }}", "{% for x in b %}{{ x }}{% endfor %}")
    >>> sorted(undeclared(source))
    ['a', 'b']
    """
    found: set[str] = set()
    for _, text in source.parts():
        try:
            found |= names_of(parse(text))
        except SourceError:
            continue
    return found
