"""The server's BODYSTRUCTURE as our tree of parts, for mails too large to fetch whole.

Pure. The answer is nested tuples whose length varies with type and server (RFC 3501
7.4.2), so every place is looked up with care and what is missing is empty.
"""

from collections.abc import Sequence
from typing import Any

from webapp.core.file_names import clean_file_name
from webapp.mailboxes.charsets import decode_words, safe_decode
from webapp.mailboxes.headers import parse_parameters
from webapp.mailboxes.mime import DEEPEST, MOST_PARTS, Part

#: Where the disposition stands in the tuple of a single part, by its type.
DISPOSITION_AT = {"text": 9, "message/rfc822": 11}
DISPOSITION_AT_ELSE = 8
MULTIPART_DISPOSITION_AT = 3
PARAMETERS_AT, ID_AT, ENCODING_AT, SIZE_AT = 2, 3, 5, 6


class BadStructure(ValueError):
    """The server's answer is not a structure that we can follow."""


def tree(answer: Any) -> Part:
    """Return the parts without payloads.

    Raises
    ------
    BadStructure
        If it is too deep, too wide, or none at all.
    """
    counted = [0]
    return _node(answer, "", 0, counted)


def _node(answer: Any, section: str, depth: int, counted: list[int]) -> Part:
    counted[0] += 1
    if depth > DEEPEST or counted[0] > MOST_PARTS:
        raise BadStructure("too many parts")
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise BadStructure("not a part")
    if answer and isinstance(answer[0], list | tuple):
        return _multipart(answer, section, depth, counted)
    return _single(answer, section or "1")


def _multipart(
    answer: Sequence[Any], section: str, depth: int, counted: list[int]
) -> Part:
    children = answer[0] if isinstance(answer[0], list) else []
    prefix = f"{section}." if section else ""
    parts = tuple(
        _node(child, f"{prefix}{number}", depth + 1, counted)
        for number, child in enumerate(children, 1)
    )
    return Part(
        section=section or "1",
        mime_type=f"multipart/{_text(_at(answer, 1)) or 'mixed'}".lower(),
        parameters=_pairs(_at(answer, PARAMETERS_AT)),
        disposition="",
        file_name="",
        content_id="",
        encoding="",
        size=0,
        payload=b"",
        parts=parts,
    )


def _single(answer: Sequence[Any], section: str) -> Part:
    main = _text(_at(answer, 0)).lower() or "application"
    mime_type = f"{main}/{_text(_at(answer, 1)).lower() or 'octet-stream'}"
    where = DISPOSITION_AT.get(mime_type, DISPOSITION_AT.get(main, DISPOSITION_AT_ELSE))
    disposition = _at(answer, where)
    is_pair = isinstance(disposition, list | tuple) and disposition
    more = _pairs(_at(disposition, 1)) if is_pair else {}
    parameters = _pairs(_at(answer, PARAMETERS_AT))
    size = _at(answer, SIZE_AT)
    return Part(
        section=section,
        mime_type=mime_type[:200],
        parameters=parameters,
        disposition=_text(_at(disposition, 0)).lower()[:20] if is_pair else "",
        file_name=clean_file_name(more.get("filename") or parameters.get("name", "")),
        content_id=_text(_at(answer, ID_AT)).strip("<> \t")[:250],
        encoding=_text(_at(answer, ENCODING_AT)).lower()[:40],
        size=size if isinstance(size, int) else 0,
        payload=b"",
    )


def _at(answer: Any, index: int) -> Any:
    return answer[index] if index < len(answer) else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return safe_decode(value)
    return str(value) if isinstance(value, int) else ""


def _pairs(value: Any) -> dict[str, str]:
    """Return parameters; names with a star are put together as RFC 2231 says."""
    if not isinstance(value, list | tuple):
        return {}
    texts = [_text(item) for item in value]
    named = list(zip(texts[::2], texts[1::2], strict=False))
    if any("*" in name for name, _ in named):
        escaped = (
            '{}="{}"'.format(name, text.replace("\\", "\\\\").replace('"', '\\"'))
            for name, text in named
        )
        return parse_parameters(";".join(["x/y", *escaped]))[1]
    return {name.lower(): decode_words(text) for name, text in named}
