"""Images that go along, shown inside of a frame where nothing may be fetched. Pure.

A sandboxed frame gets no cookies, so an address of ours would not open; the image is in
the document itself instead (`data:`), if it is a raster image and not too large.
"""

from base64 import b64encode
from collections.abc import Mapping

from webapp.message_templates.skeleton import Skeleton, take_addresses

LARGEST = 2 * 1024 * 1024
_CID = "cid:"
#: What a picture begins with, whatever its name says.
_RASTER = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def with_pictures(html: str, pictures: Mapping[str, bytes]) -> str:
    r"""Return HTML in which ``cid:`` images are in the document.

    Examples
    --------
    >>> with_pictures('<img src="cid:a">', {"a": b"GIF89a"})
    '<img src="data:image/gif;base64,R0lGODlh">'
    >>> with_pictures('<img src="cid:a">', {"a": b"<svg>"})
    '<img src="cid:a">'
    """
    if not pictures or _CID not in html:
        return html
    changed, addresses = take_addresses(html)
    shown = []
    for address in addresses:
        raw = address.resolved((), None).old
        if address.kind == "image" and raw.startswith(_CID):
            raw = _inside(pictures.get(raw.removeprefix(_CID), b"")) or raw
        shown.append(raw)
    return Skeleton(changed, escape=True).fill([], shown)


def _inside(content: bytes) -> str:
    kinds = (kind for start, kind in _RASTER.items() if content.startswith(start))
    kind = next(kinds, "")
    if not kind or len(content) > LARGEST:
        return ""
    return f"data:{kind};base64,{b64encode(content).decode()}"
