"""How values and results cross between a process and its rendering child.

A frame is four bytes of length (big-endian) and JSON. Dates and decimals are marked,
so that a typed cell arrives as what it was. Nothing that arrives is ever executed,
which is why this is not pickle: the child is the one that may be taken over.
"""

import json
import struct
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from webapp.message_templates.findings import Finding, Fix, Severity
from webapp.message_templates.source import Link, Rendered, RenderFailure

_LENGTH = struct.Struct(">I")

#: Bytes that one frame may hold; a larger one is a broken or hostile child.
MAX_FRAME = 64 * 1024 * 1024

_READERS: dict[str, Callable[[str], object]] = {
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$decimal": Decimal,
}


def frame(value: object) -> bytes:
    r"""Return a value as one frame.

    Examples
    --------
    >>> frame([1, date(2027, 3, 14)])
    b'\x00\x00\x00\x1a[1,{"$date":"2027-03-14"}]'
    """
    data = json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), default=_marked
    ).encode("utf-8", "replace")
    return _LENGTH.pack(len(data)) + data


def _marked(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    raise TypeError(f"a {type(value).__name__} is not a plain value")


def unmarked(data: bytes | bytearray) -> Any:
    """Return the value of a frame's JSON, dates and decimals restored.

    Examples
    --------
    >>> unmarked(b'{"born":{"$date":"2027-03-14"}}')
    {'born': datetime.date(2027, 3, 14)}
    """
    return json.loads(data, object_hook=_restored)


def _restored(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        ((name, text),) = found.items()
        if name in _READERS and isinstance(text, str):
            return _READERS[name](text)
    return found


def frames(buffer: bytearray) -> Iterator[bytes]:
    """Take the complete frames off the front of a buffer.

    Raises
    ------
    ValueError
        When a frame says that it is larger than any may be.
    """
    at = 0
    try:
        while len(buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, at)
            if length > MAX_FRAME:
                raise ValueError("a frame is too large")
            end = at + _LENGTH.size + length
            if len(buffer) < end:
                return
            yield bytes(buffer[at + _LENGTH.size : end])
            at = end
    finally:
        del buffer[:at]


def packed(result: Rendered | RenderFailure) -> list[object]:
    """Return a result as a list for JSON."""
    if isinstance(result, RenderFailure):
        return [result.words, result.variable, result.line, result.part]
    links = [[link.old, link.new, link.kind, link.problem] for link in result.links]
    return [result.subject, result.text, result.html, links, True]


def unpacked(row: Any) -> Rendered | RenderFailure:
    """Return the result in a list, every field checked for its type.

    Raises
    ------
    ValueError
        When the list is not a result.

    Examples
    --------
    >>> unpacked(packed(RenderFailure("no", "city", 3, "text")))
    RenderFailure(words='no', variable='city', line=3, part='text')
    """
    match row:
        case [
            str(words),
            str() | None as name,
            int() | None as line,
            str() | None as part,
        ]:
            return RenderFailure(words, name, line, part)
        case [str(subject), str(text), str() | None as html, list(links), True]:
            return Rendered(subject, text, html, tuple(map(_link, links)))
    raise ValueError("this is not a result")


def _link(row: Any) -> Link:
    match row:
        case [str(old), str(new), str(kind), str() | None as problem]:
            return Link(old, new, kind, problem)
    raise ValueError("this is not a link")


def packed_finding(finding: Finding) -> list[object]:
    """Return a finding as a list for JSON."""
    fix = finding.fix
    return [
        *(finding.code, finding.severity, finding.message),
        *(finding.part, finding.line, finding.column),
        [fix.label, fix.part, fix.at, fix.old, fix.new] if fix else None,
    ]


def unpacked_findings(rows: Any) -> list[Finding]:
    """Return the findings in a list of lists.

    Raises
    ------
    ValueError
        When it is not such a list.
    """
    if not isinstance(rows, list):
        raise ValueError("these are not findings")  # noqa: TRY004 - one error for all nonsense
    return [_finding(row) for row in rows]


def _finding(row: Any) -> Finding:
    match row:
        case [
            str(code),
            str(severity),
            str(message),
            str() | None as part,
            int() | None as line,
            int() | None as column,
            fix,
        ]:
            how = Severity(severity)
            return Finding(code, how, message, part, line, column, _fix(fix))
    raise ValueError("this is not a finding")


def _fix(row: Any) -> Fix | None:
    match row:
        case None:
            return None
        case [str(label), str(part), int(at), str(old), str(new)]:
            return Fix(label, part, at, old, new)
    raise ValueError("this is not a fix")
