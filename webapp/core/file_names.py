"""File names of strangers: made harmless, and told whether the content agrees.

Pure. A name is a stranger's text: it may hold paths, line breaks or a bidi override
that makes ``exe`` look like ``jpg``.
"""

import re
from urllib.parse import quote

from webapp.core.one_line import one_line

LONGEST = 150
FALLBACK = "part.bin"

_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/\ufffd\u2028\u2029]')

#: The first octets of a file → what it is, in words and as a media type.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-elf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
)
RASTER = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
#: Extensions of types that claim to be one thing and open as such.
CLAIMS = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
_MARKUP = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|svg|script|\?xml)", re.IGNORECASE
)


def clean_file_name(name: str) -> str:
    r"""Return the last path part, without what a file system or header cannot bear.

    >>> clean_file_name("../../etc/pass\r\nwd"), clean_file_name("C:\\a\\b.txt")
    ('pass wd', 'b.txt')
    >>> clean_file_name("..") or FALLBACK
    'part.bin'
    """
    last = re.split(r"[\\/]", name.strip())[-1] if name else ""
    text = _UNFIT.sub("", one_line(last, 400)).strip(". ")
    if len(text) <= LONGEST:
        return text
    stem, dot, extension = text.rpartition(".")
    if dot and len(extension) <= len("extension"):
        return stem[: LONGEST - len(extension) - 1] + "." + extension
    return text[:LONGEST]


def content_disposition(name: str) -> str:
    """Return an ``attachment`` header (RFC 6266) that any name survives.

    >>> content_disposition("Größe.pdf")
    "attachment; filename=Gr__e.pdf; filename*=UTF-8''Gr%C3%B6%C3%9Fe.pdf"
    """
    safe = clean_file_name(name) or FALLBACK
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", safe)
    header = f"attachment; filename={plain}"
    if plain == safe:
        return header
    return f"{header}; filename*=UTF-8''{quote(safe, safe='')}"


def sniff(start: bytes) -> str:
    """Return the media type that the first octets show, or the empty string.

    >>> sniff(b"%PDF-1.7"), sniff(b"<html>"), sniff(b"Hello")
    ('application/pdf', 'text/html', '')
    """
    for signature, mime_type in SIGNATURES:
        if start.startswith(signature):
            return mime_type
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return "text/html" if _MARKUP.match(start) else ""


def warning(name: str, start: bytes) -> str:
    """Say so when the name promises one thing and the content is another.

    >>> warning("invoice.pdf", b"<html>")
    'The name says PDF, the content is text/html.'
    """
    extension = name.rpartition(".")[2].lower()
    claimed, real = CLAIMS.get(extension), sniff(start)
    if real in ("application/x-msdownload", "application/x-elf"):
        return "This is a program. Do not open it unless you expect it."
    if claimed and start and real != claimed:
        return f"The name says {extension.upper()}, the content is {real or 'not'}."
    return ""
