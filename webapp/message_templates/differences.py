"""How one version differs from another, line by line."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from webapp.message_templates.source import PART_WORDS, Source

_MOST_LINES = 3000
_AROUND = 2


def between(old: Source, new: Source) -> dict[str, list[tuple[str, str]]]:
    r"""Return for each part that differs its lines, each marked ``-``, ``+`` or space.

    Examples
    --------
    >>> between(Source("text", "a", "x\ny"), Source("text", "a", "x\nz"))
    {'text': [(' ', 'x'), ('-', 'y'), ('+', 'z')]}
    """
    changed = {}
    for part in PART_WORDS:
        before, after = getattr(old, part), getattr(new, part)
        if before != after:
            changed[part] = list(_lines(before.splitlines(), after.splitlines()))
    return changed


def _lines(before: list[str], after: list[str]) -> Iterator[tuple[str, str]]:
    if len(before) + len(after) > _MOST_LINES:
        yield from (("-", line) for line in before)
        yield from (("+", line) for line in after)
        return
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(_AROUND)):
        if number:
            yield " ", "…"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from ((" ", line) for line in before[i1:i2])
                continue
            yield from (("-", line) for line in before[i1:i2])
            yield from (("+", line) for line in after[j1:j2])
