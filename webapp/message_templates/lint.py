"""Check a message template against its columns, before anything is sent.

Pure: from source, columns and base address to findings. Pages and jobs ask the limited
process for it (`RenderPool.check`), because reading a hostile source takes time too.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches

from jinja2 import nodes

from webapp.message_templates.findings import Finding, Fix, Severity
from webapp.message_templates.lint_html import html_findings
from webapp.message_templates.reading import (
    FUNCTIONS,
    Refusal,
    SourceError,
    names_of,
    parse,
    refusals,
)
from webapp.message_templates.source import PART_WORDS, SYSTEM_NAMES, Source

#: By format: the part, the link to stop, and what it is put before.
_FOOTERS = {
    "html": (
        "html",
        '<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>\n',
        "</body",
    ),
    "mjml": (
        "html",
        "<mj-section><mj-column><mj-text>"
        '<a href="{{ unsubscribe_url }}">Unsubscribe</a>'
        "</mj-text></mj-column></mj-section>\n",
        "</mj-body",
    ),
    "text": ("text", "\nUnsubscribe: {{ unsubscribe_url }}\n", ""),
}
_SUBJECT_LENGTH = 60
_PREVIEW_LENGTH = 110
_CLIPPED = 102 * 1024
_LISTED = 3
_NEARLY_CLIPPED = 90 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# Comments for Outlook are none, nor is what Jinja writes into one.
_COMMENT = re.compile(r"<!--(?!\[if|<!)[^{}<>]*?-->")
_INDENT = re.compile(r"[ \t]*\n\s*")
_UNESCAPED = re.compile(r"\s*\|\s*(?:safe|forceescape)\b(?:\(\))?")
_REPLY = re.compile(r"\s*(?:re|aw|sv|fwd?)\s*:", re.IGNORECASE)


def check_source(
    source: Source, columns: Collection[str] | None, base_url: str | None
) -> list[Finding]:
    """Return what is to be said about a message template.

    Parameters
    ----------
    source
        The message template.
    columns
        Names of the columns of the recipient table; ``None`` when none is chosen.
    base_url
        What relative links would belong to.

    Examples
    --------
    >>> found = check_source(Source("text", "Hi {{ nmae }}", "x"), ["name"], None)
    >>> found[0].message, found[0].fix.new
    ('There is no column “nmae”. Did you mean “name”?', 'name')
    """
    trees: dict[str, nodes.Template] = {}
    found: list[Finding] = []
    for part, text in source.parts():
        try:
            trees[part] = parse(text)
        except SourceError as error:
            words = f"The {PART_WORDS[part]} cannot be read: {error.words}"
            place = (part, error.line, error.column)
            found.append(Finding("S01", Severity.ERROR, words, *place))
    found += _refused(source, trees)
    if columns is not None:
        found += _names(source, trees, columns)
    found += html_findings(source, base_url)
    if source.format != "markdown":  # its layout has the link
        found += _unsubscribe(source, trees)
    found += _subject(source.subject)
    found += _sizes(source)
    return sorted(found, key=_weight)


def _weight(finding: Finding) -> int:
    return list(Severity).index(finding.severity)


def _refused(source: Source, trees: Mapping[str, nodes.Template]) -> Iterator[Finding]:
    for part, tree in trees.items():
        for one in refusals(tree):
            fix = _without_filter(part, getattr(source, part), one)
            yield Finding(one.code, Severity.ERROR, one.words, part, one.line, fix=fix)


def _without_filter(part: str, text: str, refusal: Refusal) -> Fix | None:
    """Return the change that takes a filter away which would turn escaping off."""
    if refusal.code != "V05":
        return None
    start = len("".join(text.splitlines(keepends=True)[: refusal.line - 1]))
    found = _UNESCAPED.search(text, start)
    return Fix("Remove it", part, found.start(), found[0], "") if found else None


def _names(
    source: Source, trees: Mapping[str, nodes.Template], columns: Collection[str]
) -> Iterator[Finding]:
    known = set(columns) | SYSTEM_NAMES
    used: set[str] = set()
    for part, tree in trees.items():
        names = names_of(tree)
        used |= names
        for name in sorted(names - known):
            yield _unknown(name, part, getattr(source, part), known | FUNCTIONS)
    for name in columns:
        if name not in used:
            yield Finding("V02", Severity.WARNING, _unused(name))


def without_remark_on(name: str, found: Sequence[Finding]) -> list[Finding]:
    """Leave out that a column is never used: nobody expects the address in the text.

    Examples
    --------
    >>> found = check_source(Source("text", "Hi", "x"), ["email"], None)
    >>> [one.code for one in without_remark_on("email", found)]
    ['U01']
    """
    return [one for one in found if one.message != _unused(name)]


def _unused(name: str) -> str:
    return f"The column “{name}” is never used"


def _unknown(name: str, part: str, text: str, known: Collection[str]) -> Finding:
    words = f"There is no column “{name}”"
    at = _place_of(name, text)
    line, column = line_and_column(text, at)
    near = get_close_matches(name, sorted(known), 1, 0.6)
    if not near:
        return Finding("V01", Severity.ERROR, words, part, line, column)
    words += f". Did you mean “{near[0]}”?"
    fix = Fix(f"Use {near[0]}", part, at, name, near[0])
    return Finding("V01", Severity.ERROR, words, part, line, column, fix)


def _place_of(name: str, text: str) -> int:
    word = re.compile(rf"(?<![\w.'\"]){re.escape(name)}(?!\w)")
    for code in _JINJA.finditer(text):
        found = word.search(text, code.start(), code.end())
        if found:
            return found.start()
    return 0


def line_and_column(text: str, at: int) -> tuple[int, int]:
    r"""Return line and column, counted from 1, of a place in a text.

    Examples
    --------
    >>> line_and_column("one\ntwo", 5)
    (2, 2)
    """
    start = text.rfind("\n", 0, at) + 1
    return text.count("\n", 0, at) + 1, at - start + 1


def _unsubscribe(
    source: Source, trees: Mapping[str, nodes.Template]
) -> Iterator[Finding]:
    bodies = [names_of(trees[part]) for part in ("text", "html") if part in trees]
    if bodies and not any("unsubscribe_url" in names for names in bodies):
        words = "There is no {{ unsubscribe_url }}: people expect a way to stop"
        part, new, before = _FOOTERS.get(source.format, _FOOTERS["text"])
        text: str = getattr(source, part)
        at = text.lower().rfind(before) if before else -1
        at = len(text) if at < 0 else at
        fix = Fix("Add the link at the end", part, at, "", new)
        line, column = line_and_column(text, at)
        yield Finding("U01", Severity.WARNING, words, part, line, column, fix)


def _subject(subject: str) -> Iterator[Finding]:
    shown = _JINJA.sub("", subject)
    remarks = {
        "The subject is empty": not subject.strip(),
        f"The subject is longer than {_SUBJECT_LENGTH} characters": len(shown)
        > _SUBJECT_LENGTH,
        "The subject is all capitals": len(shown) > 3 and shown.isupper(),  # noqa: PLR2004 - a word
        "The subject begins or ends with a space": subject != subject.strip(),
        "The subject looks like an answer": bool(_REPLY.match(subject)),
    }
    if _CONTROL.search(subject):
        words = "The subject has a line break or another control character"
        yield Finding("G03", Severity.ERROR, words, "subject", 1)
    for words, applies in remarks.items():
        if applies:
            yield Finding("G03", Severity.WARNING, words, "subject", 1)


def _sizes(source: Source) -> Iterator[Finding]:
    if not source.has_html:
        return
    size = len(source.html.encode())
    if size > _NEARLY_CLIPPED:
        severity = Severity.ERROR if size > _CLIPPED else Severity.WARNING
        words = f"The HTML has {size // 1024} KB; Gmail cuts off at about 102 KB"
        yield Finding("G01", severity, words, "html", fix=_minified(source.html))
    if not source.preview_text:
        words = "There is no preview text; inboxes show the first words instead"
        yield Finding("G04", Severity.INFO, words)
    elif len(source.preview_text) > _PREVIEW_LENGTH:
        words = f"The preview text is longer than {_PREVIEW_LENGTH} characters"
        yield Finding("G04", Severity.INFO, words, "preview_text", 1)
    plain = re.sub(r"<[^>]*>|\s+", "", _JINJA.sub("", source.html))
    if source.text and len(source.text) < len(plain) / 10:
        words = "The text part says less than a tenth of the HTML"
        fix = Fix("Make it from the HTML", "text", 0, source.text, "")
        yield Finding("G05", Severity.WARNING, words, "text", 1, 1, fix)


def _minified(text: str) -> Fix | None:
    """Return the change that takes comments and indentation out, if it is worth it."""
    if re.search(r"<(?:pre|textarea)\b", text, re.IGNORECASE):
        return None
    new = _INDENT.sub("\n", _COMMENT.sub("", text))
    if len(new) > len(text) * 0.98:
        return None
    return Fix("Take comments and indentation out", "html", 0, text, new)


def needed_names(source: Source) -> set[str]:
    """Return the names that are written somewhere without a default or a question.

    Examples
    --------
    >>> text = "{{ b|default('') }}{% if c %}{{ c }}{% endif %}"
    >>> needed_names(Source("text", "{{ a }}", text))
    {'a'}
    """
    needed: set[str] = set()
    for _, text in source.parts():
        try:
            tree = parse(text)
        except SourceError:
            continue
        needed |= _needed(tree, frozenset()) & names_of(tree)
    return needed


def _needed(node: nodes.Node, asked: frozenset[str]) -> set[str]:
    if isinstance(node, nodes.Name):
        return {node.name} - asked
    if isinstance(node, nodes.Filter) and node.name in {"default", "d"}:
        return set()
    if isinstance(node, nodes.If | nodes.CondExpr):
        tested = frozenset(name.name for name in node.test.find_all(nodes.Name))
        if isinstance(node.test, nodes.Name):
            tested |= {node.test.name}
        inner = [n for n in node.iter_child_nodes() if n is not node.test]
        return set().union(*(_needed(n, asked | tested) for n in inner))
    return set().union(*(_needed(n, asked) for n in node.iter_child_nodes()))


def check_rows(
    source: Source, rows: Sequence[tuple[int, Mapping[str, object]]]
) -> list[Finding]:
    """Return for each needed column how many rows have an empty cell (V03).

    Parameters
    ----------
    rows
        Row numbers, as people see them, and cells.

    Examples
    --------
    >>> check_rows(Source("text", "s", "{{ city }}"), [(1, {"city": ""})])[0].message
    '1 row has no “city” and there is no default: row 1'
    """
    found = []
    for name in sorted(needed_names(source)):
        empty = [number for number, row in rows if row.get(name, 0) in ("", None)]
        if empty:
            found.append(empty_cells(source, name, len(empty), empty[:_LISTED]))
    return found


def empty_cells(
    source: Source, name: str, count: int, numbers: Sequence[int]
) -> Finding:
    """Return the finding V03 for one column.

    Parameters
    ----------
    count
        How many rows have an empty cell there.
    numbers
        The first of those rows, as people number them.
    """
    many = count > 1
    words = (
        f"{count} {'rows have' if many else 'row has'} no “{name}” and there is no "
        f"default: {'rows' if many else 'row'} {', '.join(map(str, numbers))}"
    )
    words += " …" if count > len(numbers) else ""
    return _with_default(source, name, words)


def _with_default(source: Source, name: str, words: str) -> Finding:
    plain = re.compile(r"\{\{\s*" + re.escape(name) + r"\s*\}\}")
    for part, text in source.parts():
        place = plain.search(text)
        if place:
            new = f"{{{{ {name}|default('') }}}}"
            fix = Fix("Add a default", part, place.start(), place[0], new)
            line, column = line_and_column(text, place.start())
            return Finding("V03", Severity.ERROR, words, part, line, column, fix)
    return Finding("V03", Severity.ERROR, words)
