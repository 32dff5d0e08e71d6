"""Text that was broken into lines for the way only: ``format=flowed`` (RFC 3676).

Pure and linear.
"""

from collections.abc import Iterator

SIGNATURE = "-- "


def unflowed(text: str, *, delsp: bool = False) -> str:
    r"""Return text with its paragraphs in one line each, as its writer saw them.

    Parameters
    ----------
    delsp
        Whether the space at the end of a broken line belongs to the break alone.

    Examples
    --------
    >>> unflowed("Dear \nAda,\n\n> so \n> it was\n-- \nBo\n")
    'Dear Ada,\n\n> so it was\n-- \nBo\n'
    >>> unflowed(" >not quoted\n From here\n")
    '>not quoted\nFrom here\n'
    """
    return "".join(_lines(text.replace("\r\n", "\n"), delsp=delsp))


def _lines(text: str, *, delsp: bool) -> Iterator[str]:
    begun: list[str] = []
    depth = 0
    for line in text.splitlines(keepends=True) if "\n" in text else [text]:
        end = "\n" if line.endswith("\n") else ""
        bare = line.rstrip("\n")
        quoted = len(bare) - len(bare.lstrip(">"))
        words = bare[quoted:].removeprefix(" ")
        if begun and (quoted != depth or words == SIGNATURE):
            yield _joined(begun, depth)
            begun = []
        depth = quoted
        is_broken = words.endswith(" ") and words != SIGNATURE and bool(end)
        begun.append(words[:-1] if is_broken and delsp else words)
        if not is_broken:
            yield _joined(begun, depth, end)
            begun = []
    if begun:
        yield _joined(begun, depth)


def _joined(pieces: list[str], depth: int, end: str = "\n") -> str:
    mark = ">" * depth + " " if depth else ""
    return mark + "".join(pieces) + end
