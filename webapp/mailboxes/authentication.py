"""What mail servers on the way said about a mail's sender (RFC 8601).

Pure. A header of this kind may be a stranger's own. Of all that have the name of the
operator's own server the topmost are its word, good or bad: whatever a stranger wrote
lies below the line by which that server took the mail (4.1, 5). Where no such name is
known, a good word proves nothing and is not read at all; a bad one counts, whoever
wrote it: to add one harms only the mail itself.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from webapp.mailboxes.headers import Headers

MOST = 20
FIELD = "authentication-results"
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_SERVER = re.compile(r"\s*\"?([^\s;\"]{1,255})\"?(?:\s+\d{1,9})?\s*(?:;|$)")
_RESULT = re.compile(r"\b(spf|dkim|dmarc)\s{0,5}=\s{0,5}([a-z]{1,12})", re.IGNORECASE)
_DOMAIN = re.compile(
    r"\b(?:header\.(?:d|i|from)|smtp\.mailfrom)\s{0,5}=\s{0,5}\"?"
    r"(?:[^\s;@\"]{0,64}@)?([A-Za-z0-9.-]{1,255})",
    re.IGNORECASE,
)
_BAD = frozenset({"fail", "hardfail", "reject", "policy"})


@dataclass(frozen=True, slots=True)
class Check:
    """One check by the operator's own server: of what, how it went, for whom."""

    method: str
    result: str
    domain: str


def checks(headers: Headers, own: Collection[str]) -> list[Check]:
    """Return what the operator's own server checked, by the names that it has.

    >>> from webapp.mailboxes.headers import parse_headers
    >>> head = b"Authentication-Results: mx.example; dkim=pass header.d=a.example"
    >>> checks(parse_headers(head), {"mx.example"})
    [Check(method='dkim', result='pass', domain='a.example')]
    >>> checks(parse_headers(head), {"mx.other.example"})
    []
    """
    found = [one for value in _of_own(headers, own) for one in _checks(value)]
    order = ("spf", "dkim", "dmarc")
    unique = list(dict.fromkeys(found))[:MOST]
    return sorted(unique, key=lambda one: order.index(one.method))


def failed(headers: Headers, own: Collection[str] = ()) -> str:
    """Return which check the sender of a mail failed, or nothing.

    DMARC decides where it was asked; without it, one of SPF and DKIM that fails counts
    unless the other passes: a mailing list breaks one of them every day.

    >>> from webapp.mailboxes.headers import parse_headers
    >>> head = b"Authentication-Results: mx.example; dkim=pass; spf=fail; dmarc=%b"
    >>> failed(parse_headers(head % b"fail")), failed(parse_headers(head % b"none"))
    ('DMARC', '')
    """
    if mine := list(_of_own(headers, own)):
        return _failed("; ".join(mine))
    for value in headers.all(FIELD)[:MOST]:
        if words := _failed(value):
            return words
    spf = headers.all("received-spf")[:MOST]
    is_bad = any(value.strip().lower().startswith("fail") for value in spf)
    return "SPF" if is_bad and not headers.all(FIELD) else ""


def _of_own(headers: Headers, own: Collection[str]) -> Iterator[str]:
    """Yield the topmost fields of the own server, without their comments.

    Filters on one server add their fields beside each other, above the line
    ``Received`` of the hop that they looked at.
    """
    names = {name.lower().rstrip(".") for name in own}
    begun = False
    for name, value in headers.fields:
        if begun and name == "received":
            return
        if name == FIELD:
            bare = _COMMENT.sub(" ", value)
            server = _SERVER.match(bare)
            if server and server[1].lower().rstrip(".") in names:
                begun = True
                yield bare[server.end() :]


def _checks(value: str) -> Iterator[Check]:
    for one in value.split(";"):
        found = _RESULT.search(one)
        if found:
            domain = _DOMAIN.search(one, found.end())
            named = domain[1].lower() if domain else ""
            yield Check(found[1].lower(), found[2].lower(), named)


def _failed(value: str) -> str:
    found: dict[str, set[str]] = {}
    for method, result in _RESULT.findall(_COMMENT.sub(" ", value)):
        found.setdefault(method.lower(), set()).add(result.lower())
    dmarc = found.get("dmarc", set())
    if dmarc & _BAD:
        return "DMARC"
    if "pass" in dmarc:
        return ""
    passed = any("pass" in results for results in found.values())
    bad = [name for name in ("dkim", "spf") if found.get(name, set()) & _BAD]
    return bad[0].upper() if bad and not passed else ""
