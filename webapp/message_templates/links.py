"""Addresses in mails: made absolute against the public base address, and judged.

A mail has no page that it belongs to, so a relative address in it leads nowhere.
The base comes from the settings or the campaign, never from a request.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

#: What can be wrong with an address, in words.
PROBLEMS = {
    "no_base": "There is no base address to make it absolute",
    "private": "Leads to a private address",
    "scheme": "This kind of address is not allowed in a mail",
    "broken": "This is not a valid address",
}

_WEB = frozenset({"http", "https"})
_OTHER = frozenset({"mailto", "tel", "sms", "cid"})
_PICTURE = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):", re.IGNORECASE)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
_IGNORED_BY_BROWSERS = re.compile(r"[\t\r\n]")
_UNSAFE = re.compile(r'[\x00-\x20"<>`\\^{|}]')


# Addresses of these characters are what they will be; those with more are looked at.
_PLAIN = re.compile(
    r"https?://([a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?)(?::[0-9]{1,5})?"
    r"(?:/[!$%&'()*+,./0-9:;=?@A-Z_a-z~\-]*)?"
)
_PLAIN_PATH = re.compile(
    r"/(?:(?:[0-9A-Z_a-z~\-][%0-9A-Z_a-z~.\-]*/)*[0-9A-Z_a-z~\-][%0-9A-Z_a-z~.\-]*)?"
    r"(?:\?[!$%&'()*+,./0-9:;=?@A-Z_a-z~\-]+)?"
)


def resolve(raw: str, base: str | None, kind: str = "link") -> tuple[str, str | None]:
    r"""Return the absolute form of an address, and the key of its problem or None.

    An address of a kind that could run code or open a file is replaced by ``#``.

    Parameters
    ----------
    raw
        The address as rendered, not HTML-escaped.
    base
        ``https://host/path`` that relative addresses belong to.
    kind
        ``link`` or ``image``; only an image may be a ``data:`` address.

    Examples
    --------
    >>> resolve("/winter?m=7", "https://library.example")
    ('https://library.example/winter?m=7', None)
    >>> resolve("img/a.png", "https://library.example/news", "image")
    ('https://library.example/news/img/a.png', None)
    >>> resolve("JAVA\nscript:alert(1)", "https://library.example")
    ('#', 'scheme')
    >>> resolve("http://localhost:8000/map", None)
    ('http://localhost:8000/map', 'private')
    >>> resolve("/winter", None)
    ('/winter', 'no_base')
    """
    found = _PLAIN.fullmatch(raw)
    if found:
        return raw, _problem_of_host(found[1])
    if base is not None and _PLAIN_PATH.fullmatch(raw):
        root = _root(base)
        if root is not None:
            return root[0] + raw, root[1]
    return looked_at(raw, base, kind)


@lru_cache(maxsize=256)
def _problem_of_host(host: str) -> str | None:
    return "private" if is_private(host) else None


@lru_cache(maxsize=64)
def _root(base: str) -> tuple[str, str | None] | None:
    """Return scheme and host of a plain base, and the problem with that host."""
    found = _PLAIN.fullmatch(base)
    if found is None:
        return None
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}", _problem_of_host(found[1])


@lru_cache(maxsize=4096)
def looked_at(raw: str, base: str | None, kind: str) -> tuple[str, str | None]:
    """Return what `resolve` does, of an address that may hold anything."""
    address = _IGNORED_BY_BROWSERS.sub("", raw).strip("".join(map(chr, range(33))))
    if not address or address.startswith("#"):
        return address, None
    found = _SCHEME.match(address)
    scheme = found[1].lower() if found else ""
    if scheme and scheme not in _WEB:
        if scheme in _OTHER or (kind == "image" and _PICTURE.match(address)):
            return _escaped(address), None
        return "#", "scheme"
    return _web(address, base, relative=not scheme)


def _web(address: str, base: str | None, *, relative: bool) -> tuple[str, str | None]:
    if relative and base is None:
        return address, "no_base"
    try:
        if relative and base is not None:
            directory = base if urlsplit(base).path.endswith("/") else base + "/"
            address = urljoin(directory, address)
        host = urlsplit(address).hostname or ""
    except ValueError:
        return "#", "broken"
    if not host:
        return "#", "broken"
    return _escaped(address), "private" if is_private(host) else None


def _escaped(address: str) -> str:
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", address)


def is_private(host: str) -> bool:
    """Tell whether a host name or address means something only nearby.

    Examples
    --------
    >>> [is_private(h) for h in ("localhost", "10.0.0.7", "::1", "desk", "a.example")]
    [True, True, True, True, False]
    """
    name = host.rstrip(".").lower()
    try:
        return not ipaddress.ip_address(name.strip("[]")).is_global
    except ValueError:
        return "." not in name or name.endswith(_LOCAL_NAMES)


def base_problem(base: str | None) -> str | None:
    """Return the key of what is wrong with a base address, or None.

    Examples
    --------
    >>> base_problem("https://library.example"), base_problem("library.example")
    (None, 'broken')
    >>> base_problem(None), base_problem("http://127.0.0.1:8000")
    ('no_base', 'private')
    """
    if not base:
        return "no_base"
    try:
        parts = urlsplit(base)
        host = parts.hostname
    except ValueError:
        return "broken"
    if parts.scheme not in _WEB or not host:
        return "broken"
    return "private" if is_private(host) else None


def build_url(
    path: str, base: str | None, scheme: str | None = None, host: str | None = None
) -> str:
    """Return the absolute address of a path, the ``url()`` of message templates.

    Parameters
    ----------
    path
        Path with an optional query, relative to the base.
    base
        The public base address.
    scheme, host
        Take the place of those of the base; a host may carry a port.

    Raises
    ------
    ValueError
        When an address cannot be built, with the reason in words.

    Examples
    --------
    >>> build_url("/map", "https://library.example")
    'https://library.example/map'
    >>> build_url("/map", "https://library.example", scheme="http", host="m.example")
    'http://m.example/map'
    >>> build_url("/map", None, host="m.example")
    'https://m.example/map'
    """
    if scheme is not None and scheme not in _WEB:
        raise ValueError("url() makes http and https addresses only")
    if host is not None and (not host or re.search(r"[\s/\\?#@]", host)):
        raise ValueError("url() needs a host name without a path")
    if base is None and host is None:
        raise ValueError("url() needs a base address: set one for this installation")
    at = urlsplit(base or "https://localhost")
    root = f"{scheme or at.scheme}://{host or at.netloc}{at.path}"
    new, problem = resolve(path, root)
    if problem in {"scheme", "broken"} or not new or new.startswith("#"):
        raise ValueError("url() needs a path such as '/winter'")
    return new
