"""Which inline images an HTML body shows, and which of them are attached."""

import re
from typing import Any
from urllib.parse import unquote

from webapp.core.words import _

_SHOWN = re.compile(r"""["'(=\s]cid:([^"'<>()\s]{1,200})""", re.IGNORECASE)


def shown_images(html: str) -> frozenset[str]:
    """Return the Content-IDs that an HTML body refers to (RFC 2392).

    Examples
    --------
    >>> sorted(shown_images("<img src='cid:photo'><td background=cid:a%40b.org>"))
    ['a@b.org', 'photo']
    """
    return frozenset(unquote(found) for found in _SHOWN.findall(html))


def image_findings(html: str, attached: frozenset[str]) -> list[dict[str, Any]]:
    """Return what does not fit between an HTML body and its inline images."""
    shown = shown_images(html)
    missing = [
        _("The message shows an image cid:%(name)s that is not attached.", name=name)
        for name in sorted(shown - attached)
    ]
    unused = [
        _("The image cid:%(name)s is attached, but never shown.", name=name)
        for name in sorted(attached - shown)
    ]
    return [_finding("I01", "error", words) for words in missing] + [
        _finding("I02", "warning", words) for words in unused
    ]


def _finding(code: str, severity: str, words: str) -> dict[str, Any]:
    return {
        "code": code,
        "severity": severity,
        "message": words,
        "part": "html",
        "line": None,
    }
