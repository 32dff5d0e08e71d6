"""A look at the bytes that would be delivered, as a receiving server looks at them.

Pure. What the linter says of a source is about what somebody wrote; this is about what
was made of it: composed, before it is signed. `checks` says what is good, too.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from urllib.parse import urlsplit

from webapp.composing.wire import ONCE
from webapp.message_templates.findings import Finding, Severity
from webapp.message_templates.links import is_private
from webapp.message_templates.skeleton import take_addresses

_MOST = 998  # octets of a line, RFC 5322 2.1.1
_NEARLY_CLIPPED, _CLIPPED = 90 * 1024, 102 * 1024
_LARGE, _TOO_LARGE = 10 * 1024**2, 25 * 1024**2
_LABELS = 2
_IMAGE = re.compile(r"<img\b[^>]{0,4000}>", re.IGNORECASE)
_ALT = re.compile(r"\salt\s*=", re.IGNORECASE)
_LINK = re.compile(r"<([^<>\s]+)>")
_NO_REPLY = re.compile(r"(?:do[-_.]?)?no[t]?[-_.]?reply\b", re.IGNORECASE)

#: What is asked of a message to many alone.
_OF_MANY = frozenset({"M05", "M06"})


@dataclass(frozen=True, slots=True)
class Delivered:
    """A composed message, and what is known around it.

    Parameters
    ----------
    mail_from
        The envelope sender; empty for the null sender.
    is_bulk
        Whether it is one of many: then people need a way to stop (RFC 8058).
    largest
        Octets that the sending server takes; 0 where it did not say.
    """

    data: bytes
    mail_from: str
    is_bulk: bool = False
    largest: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `found` is empty where it is good."""

    code: str
    words: str
    found: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """The message, read once for all rules."""

    asked: Delivered
    mail: Message
    text: str | None
    html: str | None
    html_size: int


def checks(asked: Delivered) -> list[Check]:
    r"""Return all that was looked at, in the order of its importance.

    Examples
    --------
    >>> data = b"From: a@b.example\r\nFrom: c@b.example\r\n\r\nHi\r\n"
    >>> checks(Delivered(data, "a@b.example"))[0].found[0].message
    'The message has 2 From headers'
    """
    mail = message_from_bytes(asked.data)
    text, html, size = None, None, 0
    for part in mail.walk():
        if part.get_content_disposition() == "attachment":
            continue
        kind = part.get_content_type()
        if kind == "text/plain" and text is None:
            text = _decoded(part)
        elif kind == "text/html" and html is None:
            html, size = _decoded(part), len(str(part.get_payload()))
    read = _Read(asked, mail, text, html, size)
    return [
        Check(code, words, tuple(rule(read)))
        for code, words, rule in _RULES
        if asked.is_bulk or code not in _OF_MANY
    ]


def findings_in(made: list[Check]) -> list[Finding]:
    """Return what was found in all checks."""
    return [finding for check in made for finding in check.found]


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(str(part.get_content_charset() or "utf-8"), "replace")


def _once(read: _Read) -> Iterator[Finding]:
    for name in ONCE:
        count = len(read.mail.get_all(name, []))
        if count != 1:
            shown = {"message-id": "Message-ID", "mime-version": "MIME-Version"}
            words = f"The message has {count or 'no'} {shown.get(name, name.title())}"
            words += " headers" if count else " header"
            yield Finding("M01", Severity.ERROR, words)


def _text_first(read: _Read) -> Iterator[Finding]:
    if read.text is None:
        words = "There is no text part; who reads text alone sees nothing"
        yield Finding("M02", Severity.WARNING, words)
        return
    kinds = [part.get_content_type() for part in read.mail.walk()]
    if read.html is not None and kinds.index("text/html") < kinds.index("text/plain"):
        words = "The text part comes after the HTML; the last one is taken for the best"
        yield Finding("M02", Severity.ERROR, words)


def _lines(read: _Read) -> Iterator[Finding]:
    data = read.asked.data
    if not data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n"):
        words = "A line does not end with CRLF; servers disagree about such mails"
        yield Finding("M03", Severity.ERROR, words)
    if max(map(len, data.split(b"\r\n"))) > _MOST:
        words = f"A line is longer than {_MOST} characters; servers cut it"
        yield Finding("M03", Severity.ERROR, words)


def _aligned(read: _Read) -> Iterator[Finding]:
    shown = _domain_of(read.mail.get("From", ""))
    envelope = _domain_of(read.asked.mail_from)
    if shown and envelope and _organisation(shown) != _organisation(envelope):
        words = (
            f"From is at {shown}, but the envelope sender at {envelope}: "
            "SPF does not speak for the From domain"
        )
        yield Finding("M04", Severity.WARNING, words)


def _domain_of(text: str) -> str:
    addresses = [addr for _name, addr in getaddresses([str(text)]) if "@" in addr]
    return addresses[0].rpartition("@")[2].lower() if addresses else ""


def _organisation(domain: str) -> str:
    """Return what two domains of one organisation have in common, about (RFC 7489)."""
    return ".".join(domain.split(".")[-_LABELS:])


def _can_stop(read: _Read) -> Iterator[Finding]:
    links = _LINK.findall(str(read.mail.get("List-Unsubscribe", "")))
    web = [one for one in links if one.startswith(("https:", "http:"))]
    if not web or not any(one.startswith("mailto:") for one in links):
        words = "List-Unsubscribe has no web address or no mail address"
        yield Finding("M05", Severity.WARNING, words)
    elif not web[0].startswith("https:"):
        is_here = is_private(urlsplit(web[0]).hostname or "")
        severity = Severity.INFO if is_here else Severity.WARNING
        words = "The address in List-Unsubscribe is not https; one click needs that"
        yield Finding("M05", severity, words)
    if read.mail.get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        words = "There is no List-Unsubscribe-Post: stopping takes more than one click"
        yield Finding("M05", Severity.WARNING, words)


def _visible_stop(read: _Read) -> Iterator[Finding]:
    links = _LINK.findall(str(read.mail.get("List-Unsubscribe", "")))
    web = [one for one in links if one.startswith("http")]
    for body in (read.html, read.text):
        if body is not None and web and web[0] not in body:
            words = "There is no unsubscribe link to be seen in the message"
            yield Finding("M06", Severity.WARNING, words)
            return


def _sizes(read: _Read) -> Iterator[Finding]:
    if read.html_size > _NEARLY_CLIPPED:
        is_cut = read.html_size > _CLIPPED
        words = (
            f"The HTML has {read.html_size // 1024} KB on its way; "
            "Gmail cuts off at about 102 KB"
        )
        severity = Severity.ERROR if is_cut else Severity.WARNING
        yield Finding("G01", severity, words, "html")
    size, largest = len(read.asked.data), read.asked.largest
    shown = f"The message has {size / 1024**2:.1f} MB"
    if largest and size > largest:
        words = f"{shown}; the server takes {largest / 1024**2:.1f} MB at most"
        yield Finding("G06", Severity.ERROR, words)
    elif size > _LARGE:
        words = f"{shown}; many servers refuse more than 10 MB"
        severity = Severity.ERROR if size > _TOO_LARGE else Severity.WARNING
        yield Finding("G06", severity, words)


def _links(read: _Read) -> Iterator[Finding]:
    if read.html is None:
        return
    _changed, addresses = take_addresses(read.html)
    targets = [one.resolved((), None) for one in addresses]
    relative = [one.old for one in targets if one.problem in {"no_base", "broken"}]
    plain = [one.old for one in targets if one.old.lower().startswith("http:")]
    if relative:
        words = f"A link leads nowhere, since it is not absolute: {relative[0]}"
        yield Finding("M08", Severity.WARNING, words, "html")
    if any(not is_private(urlsplit(one).hostname or "x") for one in plain):
        words = f"A link is not https: {plain[0]}"
        yield Finding("M08", Severity.INFO, words, "html")


def _images(read: _Read) -> Iterator[Finding]:
    tags = _IMAGE.findall(read.html or "")
    count = sum(1 for tag in tags if not _ALT.search(tag))
    if count:
        words = f"{count} of {len(tags)} images have no alternative text"
        yield Finding("M09", Severity.WARNING, words, "html")


def _answerable(read: _Read) -> Iterator[Finding]:
    addr = "".join(addr for _name, addr in getaddresses([str(read.mail["From"])]))
    if _NO_REPLY.match(addr) and not read.mail.get("Reply-To"):
        words = f"Nobody reads answers to {addr}; name a Reply-To"
        yield Finding("D01", Severity.WARNING, words)


_RULES: tuple[tuple[str, str, Callable[[_Read], Iterator[Finding]]], ...] = (
    ("M01", "Each header that must be there once is there once", _once),
    ("M02", "The text part comes first", _text_first),
    ("M03", "Lines end with CRLF and have at most 998 characters", _lines),
    ("M04", "From and envelope sender belong together", _aligned),
    ("M05", "Mail programs can unsubscribe with one click", _can_stop),
    ("M06", "A link to unsubscribe can be seen", _visible_stop),
    ("M07", "It is not too large", _sizes),
    ("M08", "Links are absolute, and https", _links),
    ("M09", "Images have alternative text", _images),
    ("D01", "Answers reach somebody", _answerable),
)
