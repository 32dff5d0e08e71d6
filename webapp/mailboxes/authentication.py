"""What mail servers on the way said about a mail's sender (RFC 8601).

Pure. A header of this kind may be a stranger's own. So a good word proves nothing here
and is not read at all; a bad word counts, whoever wrote it: to add one harms only the
mail itself, and those of the own server cannot be taken away.
"""

import re

from webapp.mailboxes.headers import Headers

MOST = 20
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_RESULT = re.compile(r"\b(spf|dkim|dmarc)\s{0,5}=\s{0,5}([a-z]{1,12})", re.IGNORECASE)
_BAD = frozenset({"fail", "hardfail", "reject", "policy"})


def failed(headers: Headers) -> str:
    """Return which check the sender of a mail failed, or nothing.

    DMARC decides where it was asked; without it, one of SPF and DKIM that fails counts
    unless the other passes: a mailing list breaks one of them every day.

    >>> from webapp.mailboxes.headers import parse_headers
    >>> head = b"Authentication-Results: mx.example; dkim=pass; spf=fail; dmarc=%b"
    >>> failed(parse_headers(head % b"fail")), failed(parse_headers(head % b"none"))
    ('DMARC', '')
    """
    for value in headers.all("authentication-results")[:MOST]:
        if words := _failed(value):
            return words
    spf = headers.all("received-spf")[:MOST]
    is_bad = any(value.strip().lower().startswith("fail") for value in spf)
    has_results = bool(headers.all("authentication-results"))
    return "SPF" if is_bad and not has_results else ""


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
