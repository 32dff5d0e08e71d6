"""Responses that hand out files of strangers: saved by the browser, never shown."""

from collections.abc import Iterator
from typing import IO

from flask import Response, current_app

from webapp.core.file_names import RASTER, content_disposition

#: Types that a browser may be told; everything else is octets.
SAFE_TYPES = RASTER | {"application/pdf", "application/zip", "text/plain", "text/csv"}
SLICE = 64 * 1024
DOWNLOAD_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def download(spool: IO[bytes], name: str, mime_type: str) -> Response:
    """Return a file as an attachment that no browser shows in place."""
    spool.seek(0, 2)
    size = spool.tell()
    spool.seek(0)
    safe = mime_type if mime_type in SAFE_TYPES else "application/octet-stream"
    response = current_app.response_class(_slices(spool), mimetype=safe)
    response.call_on_close(spool.close)
    response.headers["Content-Length"] = str(size)
    response.headers["Content-Disposition"] = content_disposition(name)
    response.headers["Content-Security-Policy"] = DOWNLOAD_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _slices(spool: IO[bytes]) -> Iterator[bytes]:
    with spool:
        while piece := spool.read(SLICE):
            yield piece
