"""What a reader should know about a mail and does not see: one quiet line for each.

Pure. Nothing is blocked and nothing is judged: each hint is a fact about the octets.
The words are the page's; here is only the kind, what is shown, and what it really is.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from webapp.mailboxes import authentication, hidden_text
from webapp.mailboxes.headers import Headers, MailAddress
from webapp.mailboxes.mime import Parsed
from webapp.mailboxes.scripts import (
    ascii_host,
    imitates,
    mixed_word,
    site,
    unicode_host,
)

MOST = 8
TEXT_SCANNED = 256 * 1024
#: Fewer hidden letters are a leftover of some editor, or a number for machines.
HIDDEN_LETTERS = 12
INVISIBLE_IN_TEXT = 3
TAGS_IN_TEXT = 10

_HOST = re.compile(
    r"(?:https?://)?((?:[^\s/@:.?#]{1,63}\.)+[^\W\d_]{2,24})(?::\d+)?(?:[/?#]\S*)?"
)
_URL = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{2,63}")
#: Without width, between two letters of Latin, where no language needs one.
_INVISIBLE = re.compile(
    "(?<=[A-Za-z])[\u200b\u200c\u200d\u2060\u2061-\u2064\ufeff\u180e]+(?=[A-Za-z])"
)
#: Tag characters speak to machines; only flags of parts of countries need them.
_TAGS = re.compile(
    "\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f|([\U000e0020-\U000e007f]+)"
)


@dataclass(frozen=True, slots=True)
class Hint:
    """A kind, and up to two texts of strangers."""

    kind: str
    shown: str = ""
    real: str = ""


def hints_of(
    headers: Headers, html: str, text: str, own: Collection[str] = ()
) -> list[Hint]:
    """Return what there is to say, each thing once.

    `own` are the names of the operator's own mail server; see `authentication`.

    >>> from webapp.mailboxes.headers import parse_headers
    >>> head = parse_headers(b'From: "boss@bank.example" <x@evil.example>')
    >>> hints_of(head, "", "")
    [Hint(kind='other_address', shown='boss@bank.example', real='x@evil.example')]
    """
    scanned = hidden_text.scan(html) if html else hidden_text.Scanned(0, [])
    links = [*scanned.links, *(("", url) for url in _urls(text))]
    found = [*_of_sender(headers, own), *_of_links(links)]
    if scanned.hidden >= HIDDEN_LETTERS:
        found.append(Hint("hidden_text"))
    if _has_invisible(headers, scanned.text + text[:TEXT_SCANNED]):
        found.append(Hint("invisible_letters"))
    return list(dict.fromkeys(found))[:MOST]


def hints_of_mail(mail: Parsed, own: Collection[str] = ()) -> list[Hint]:
    """Return what there is to say about a mail that is taken apart."""
    html = "".join(part.text() for part in mail.bodies("html"))
    text = "\n".join(part.text() for part in mail.bodies("plain"))
    return hints_of(mail.headers, html, text, own)


def _urls(text: str) -> list[str]:
    matches = _URL.finditer(text[:TEXT_SCANNED])
    return [m[0] for m, _ in zip(matches, range(hidden_text.MOST_LINKS), strict=False)]


# --- the sender ---------------------------------------------------------------------


def _of_sender(headers: Headers, own: Collection[str]) -> Iterator[Hint]:
    senders = headers.addresses("from")
    if check := authentication.failed(headers, own):
        yield Hint("unconfirmed", check)
    if not senders:
        return
    sender = senders[0]
    host = host_of(sender)
    if imitates(host):
        yield Hint("imitated_sender", unicode_host(host), ascii_host(host))
    if word := mixed_word(sender.name):
        yield Hint("imitated_name", word)
    found = _ADDRESS.search(sender.name)
    if found and found[0].casefold() != sender.addr.casefold():
        yield Hint("other_address", found[0], sender.addr)
    yield from _of_reply_to(headers, host)


def _of_reply_to(headers: Headers, host: str) -> Iterator[Hint]:
    """Compare owners of domains; a mailing list that was written to is no news."""
    known = {one.addr.casefold() for one in _addressed(headers)}
    for one in headers.addresses("reply-to"):
        other = host_of(one)
        is_elsewhere = host and other and site(other) != site(host)
        if is_elsewhere and one.addr.casefold() not in known:
            yield Hint("reply_elsewhere", one.addr)
            return


def _addressed(headers: Headers) -> Sequence[MailAddress]:
    return [*headers.addresses("to"), *headers.addresses("cc")]


def host_of(address: MailAddress) -> str:
    """Return the domain of an address, in small letters."""
    return address.addr.rpartition("@")[2].lower() if "@" in address.addr else ""


# --- links --------------------------------------------------------------------------


def _of_links(links: Sequence[tuple[str, str]]) -> Iterator[Hint]:
    elsewhere = imitated = False
    for text, href in links:
        if not href.lower().startswith(("http://", "https://")):
            continue
        host, claimed = _hosts(text, href)
        if not imitated and imitates(host):
            imitated = True
            yield Hint("imitated_link", unicode_host(host), ascii_host(host))
        if not elsewhere and claimed and host and site(claimed) != site(host):
            elsewhere = True
            yield Hint("link_elsewhere", claimed, host)


def _hosts(text: str, href: str) -> tuple[str, str]:
    """Return where a link goes, and where it says it goes.

    >>> _hosts("www.bank.example", "https://evil.example/x")
    ('evil.example', 'www.bank.example')
    >>> _hosts("Read more", "https://bank.example@evil.example/")
    ('evil.example', 'bank.example')
    """
    try:
        parts = urlsplit(href)
        host, person = parts.hostname or "", unquote(parts.username or "")
    except ValueError:
        return "", ""
    shown = _HOST.fullmatch(text.strip())
    claimed = shown[1] if shown else ""
    if not claimed and _HOST.fullmatch(person):
        claimed = person
    return host, claimed.lower()


def _has_invisible(headers: Headers, text: str) -> bool:
    names = " ".join(one.name for one in headers.addresses("from"))
    if _INVISIBLE.search(f"{headers.text('subject')} {names}"):
        return True
    tags = sum(len(run) for run in _TAGS.findall(text))
    found = zip(_INVISIBLE.finditer(text), range(INVISIBLE_IN_TEXT), strict=False)
    return tags >= TAGS_IN_TEXT or sum(1 for _ in found) == INVISIBLE_IN_TEXT
