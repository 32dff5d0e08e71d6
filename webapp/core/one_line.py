"""What strangers wrote, made fit for one line of a page or header; pure."""

import unicodedata

_BIDI = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C], "\ufffd"
)


def one_line(text: str, longest: int = 1000) -> str:
    r"""Return text for one line of a page: no controls, bidi overrides made visible.

    >>> one_line("a\r\n b\x00c\u202egpj.exe")
    'a bc�gpj.exe'
    """
    text = " ".join(text[: longest * 4].split())
    return printable(text)[:longest]


def printable(text: str) -> str:
    """Drop control characters but tab and newline; make bidi controls visible."""
    if text.isascii() and text.isprintable():
        return text
    kept = (
        letter
        for letter in text
        if letter in "\t\n" or unicodedata.category(letter) not in ("Cc", "Cs")
    )
    return "".join(kept).translate(_BIDI)
