"""Bounces that are no RFC 3464 reports: a gate, then flufl.bounce, then the words. Pure.

flufl.bounce 6.0 knows the free texts of many servers, but it reads the text of any mail
as if it were a bounce and raises where From is missing or not ASCII. So it is asked
behind a gate only, on a copy with a plain From, few and short lines, and what it raises
is an answer of nothing.
"""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as StandardMessage

from flufl.bounce import all_failures

from webapp.mailboxes.headers import BLOCK_CAP, Headers, message_ids
from webapp.mailboxes.mime import Parsed
from webapp.triage import auto_replies
from webapp.triage.hardness import Hardness, code_in, enhanced_in, hardness
from webapp.triage.returned import enclosed, texts

MOST_LINES = 2000
LINE_CAP = 500
MOST_PARTS = 50
WORDS_CAP = 20_000

_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|post ?master|mail ?delivery|delivery ?(?:sub)?system|mdaemon|"
    r"mail ?administrator|mail(?:er)? ?agent|bounce[sd]?(?:[-+=_.]|@)|ms ?exchange|"
    r"microsoftexchange[0-9a-f]|double-bounce|mta@|smtp-?gateway|mail ?system",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"un ?deliver|returned (?:e-?)?mail|mail returned|return(?:ed)? to sender|non-?deliver|"
    r"not (?:be(?:en)? )?deliver|couldn.t be deliver|delivery (?:has )?fail|failed (?:mail|"
    r"delivery)|failure (?:notice|delivery|of delivery)|mail (?:delivery )?(?:fail|system "
    r"error|error)|delivery (?:status )?(?:notification|problem|error|report)|message status"
    r"|permanent (?:error|failure|fatal)|rejected|bounced?|user unknown|mail could not|"
    r"unzustell|nicht zu(?:ge)?stell|zustellung.{0,20}fehl|non remis|non distribu|[ée]chec de "
    r"(?:la )?(?:remise|distribution|livraison)|no (?:se )?(?:ha )?(?:podido |pudo )?entrega|"
    r"devuelto|falha (?:na|de) entrega|n[ãa]o entreg|mancat[ao] (?:consegna|recapito)|"
    r"onbestelbaar|niet (?:afgeleverd|bezorgd)|olever[ei]r|kunde inte levereras|nie dor[ęe]cz"
    r"|niedor[ęe]cz|nedoru[čc]|не доставлен|недоставлен|невозможно доставить|配信|配達|送信でき"
    r"|退信|无法投递|退信|전송 실패|배달",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"delayed|delay\)|\bwarning\b|will (?:keep|continue) (?:to )?tr|still being retried|"
    r"do not need to resend|verz[öo]gert|retard[ée]|retras|ritard",
    re.IGNORECASE,
)
_FAILS = re.compile(
    r"could not be delivered|couldn't be delivered|wasn't delivered|was not delivered|not "
    r"been delivered|unable to deliver|undeliverable|delivery (?:to the following|failed|has "
    r"failed)|failed (?:to deliver|permanently)|permanent (?:fatal )?error|giving up|host "
    r"unknown|user unknown|does not exist|mailbox (?:is )?full|quota",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce in free words says; `is_delay` of one that gave nothing up."""

    addresses: tuple[str, ...]
    hardness: Hardness
    status: str
    words: str
    is_delay: bool = False


def may_be_bounce(headers: Headers) -> bool:
    """Say whether a mail passes the gate; most mails must not.

    >>> may_be_bounce(Headers((("from", "MAILER-DAEMON@example.org"),)))
    True
    >>> may_be_bounce(Headers((("from", "Ada <ada@example.org>"),)))
    False
    """
    return _is_of_a_machine(headers) or _has_null_sender(headers)


def _is_of_a_machine(headers: Headers) -> bool:
    if headers.first("x-failed-recipients"):
        return True
    kind = headers.first("content-type").lower()
    if kind.startswith("multipart/report") or "delivery-status" in kind[:200]:
        return True
    return bool(_DAEMON.search(headers.first("from")[:500]))


def _has_null_sender(headers: Headers) -> bool:
    found = headers.all("return-path")
    return bool(found) and found[0].strip() in {"<>", ""}


def bounce_in(mail: Parsed, source: bytes) -> Bounce | None:
    """Return the bounce that a mail is, or None if it is none, or says too little."""
    headers = mail.headers
    if not may_be_bounce(headers):
        return None
    subject = headers.text("subject")
    if auto_replies.is_subject_of_one(subject):
        return None
    text = "\n".join(texts(mail))[:WORDS_CAP]
    temporary, permanent = _flufl(mail, source)
    says = bool(_SUBJECT.search(subject))
    strong = _is_of_a_machine(headers)
    if not _is_convincing(mail, text, strong=strong, says=says, found=permanent):
        if strong and (temporary or (says and _DELAY.search(f"{subject}\n{text}"))):
            return _made(headers, text, temporary, is_delay=True)
        return None
    is_delay = not permanent and bool(_DELAY.search(f"{subject}\n{text[:2000]}"))
    return _made(headers, text, permanent or temporary, is_delay=is_delay)


def _is_convincing(
    mail: Parsed, text: str, *, strong: bool, says: bool, found: list[str]
) -> bool:
    fails = bool(_FAILS.search(text) or enhanced_in(text))
    if strong:
        return bool(found and (says or fails)) or (says and fails) or (
            (says or fails) and _answers_something(mail)
        )
    # Only the empty sender speaks for it: vacation robots use that as well.
    return says and (fails or bool(found))


def _answers_something(mail: Parsed) -> bool:
    headers = mail.headers
    return bool(
        message_ids(headers.first("in-reply-to"))
        or message_ids(headers.first("references"))
        or enclosed(mail)
    )


def _made(
    headers: Headers, text: str, addresses: list[str], *, is_delay: bool
) -> Bounce:
    failed = [one.addr for one in headers.addresses("x-failed-recipients")]
    both = dict.fromkeys([*failed, *addresses])
    status = enhanced_in(text)
    if not status and (code := code_in(text)):
        status = f"{str(code)[0]}.0.0"
    return Bounce(
        tuple(one[:320] for one in both if "@" in one)[:20],
        hardness(status, text),
        status,
        _line_of(text, status),
        is_delay,
    )


def _line_of(text: str, status: str) -> str:
    """Return the line that says why, for a person."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in lines:
        if (status and status in line) or code_in(line) or _FAILS.search(line):
            return line[:300]
    return ""


def _flufl(mail: Parsed, source: bytes) -> tuple[list[str], list[str]]:
    """Ask flufl.bounce, within caps; return temporary and permanent addresses."""
    count = sum(1 for _part in mail.root.walk())
    if count > MOST_PARTS or mail.is_cut:
        return [], []
    try:
        temporary, permanent = all_failures(_plain(source))
        return _addresses(temporary), _addresses(permanent)
    except Exception:  # noqa: BLE001 - it raises many kinds on strangers' mails
        return [], []


def _plain(source: bytes) -> StandardMessage:
    """Return a mail for the standard parser: few and short lines, a From in ASCII."""
    head, empty, body = source.replace(b"\r\n", b"\n").partition(b"\n\n")
    head_lines = head[:BLOCK_CAP].split(b"\n")
    kept = [line[:LINE_CAP] for line in head_lines]
    body_lines = [line[:LINE_CAP] for line in body.split(b"\n")[:MOST_LINES]]
    message = message_from_bytes(b"\n".join(kept) + empty + b"\n".join(body_lines))
    sender = str(message.get("From", ""))
    if not sender.strip() or not sender.isascii():
        del message["From"]
        message["From"] = "unknown@invalid"
    return message


def _addresses(found: object) -> list[str]:
    octets = sorted(one for one in found if isinstance(one, bytes))  # type: ignore[attr-defined]  # a set, untyped
    return [one.decode("ascii", "replace").strip("<> ") for one in octets]
