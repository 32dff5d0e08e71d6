"""What is odd about an address or a cell although it is valid (R04, R05, V04). Pure."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

#: Mailboxes of a function, not of a person (RFC 2142 names many of them).
ROLES = frozenset(
    (
        *("abuse", "accounts", "admin", "administrator", "all", "billing", "contact"),
        *("contacto", "do-not-reply", "donotreply", "everyone", "feedback", "help"),
        *("hello", "hostmaster", "info", "jobs", "kontakt", "mail", "marketing"),
        *("no-reply", "noc", "noreply", "office", "postmaster", "privacy", "root"),
        *("sales", "security", "service", "support", "team", "webmaster"),
    )
)
#: Domains where many people have their mailbox, each at least eight characters long:
#: in a shorter one, a letter more or less is too often another real domain.
KNOWN = (
    *("aol.com", "email.com", "fastmail.com", "freenet.de", "gmail.com"),
    *("googlemail.com", "hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr"),
    *("hotmail.it", "icloud.com", "laposte.net", "libero.it", "live.com", "mail.com"),
    *("msn.com", "orange.fr", "outlook.com", "outlook.de", "outlook.fr", "proton.me"),
    *("protonmail.com", "rocketmail.com", "t-online.de", "virgilio.it", "wanadoo.fr"),
    *("yahoo.co.uk", "yahoo.com", "yahoo.de", "yahoo.es", "yahoo.fr", "ymail.com"),
)
#: Domains that forget a mailbox after minutes.
DISPOSABLE = frozenset(
    (
        *("10minutemail.com", "discard.email", "getnada.com", "guerrillamail.com"),
        *("mailinator.com", "maildrop.cc", "sharklasers.com", "temp-mail.org"),
        *("throwawaymail.com", "trashmail.com", "wegwerfmail.de", "yopmail.com"),
    )
)
_SHORTEST = 8
_RISKY = re.compile(r"https?://|\bwww\.|<[a-z!/]|\{\{|\{%", re.IGNORECASE)


def is_role(address: str) -> bool:
    """Whether an address belongs to a function, not to a person.

    Examples
    --------
    >>> is_role("Info@example.org"), is_role("ines@example.org")
    (True, False)
    """
    return address.rpartition("@")[0].casefold() in ROLES


def meant_domain(address: str) -> str | None:
    """Return the well-known domain that was probably meant.

    Examples
    --------
    >>> meant_domain("ada@gmial.com"), meant_domain("ada@hotmail.con")
    ('gmail.com', 'hotmail.com')
    >>> meant_domain("ada@gmail.com"), meant_domain("ada@example.org")
    (None, None)
    """
    domain = address.rpartition("@")[2].casefold()
    if domain in KNOWN or len(domain) < _SHORTEST:
        return None
    for near in get_close_matches(domain, KNOWN, 3, 0.8):
        if _is_one_slip(domain, near):
            return near
    return None


def _is_one_slip(one: str, other: str) -> bool:
    """Whether a letter is missing, too much, wrong, or two have changed places."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    rest, wanted = one[at:], other[at:]
    swapped = rest[:2] == wanted[:2][::-1] and rest[2:] == wanted[2:]
    return swapped or rest[1:] == wanted[1:] or rest[1:] == wanted or rest == wanted[1:]


def is_disposable(address: str) -> bool:
    """Whether a mailbox lives for minutes only.

    Examples
    --------
    >>> is_disposable("x@Mailinator.com"), is_disposable("x@example.org")
    (True, False)
    """
    return address.rpartition("@")[2].casefold() in DISPOSABLE


def risky_columns(
    values: Mapping[str, object], untrusted: Collection[str]
) -> frozenset[str]:
    """Return which columns that strangers filled hold a link or markup.

    Examples
    --------
    >>> row = {"name": "Win! https://evil.example", "city": "Köln"}
    >>> sorted(risky_columns(row, {"name", "city"})), risky_columns(row, {"city"})
    (['name'], frozenset())
    """
    cells = {name: values.get(name) for name in untrusted}
    return frozenset(
        name
        for name, cell in cells.items()
        if isinstance(cell, str) and _RISKY.search(cell)
    )
