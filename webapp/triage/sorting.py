"""What a mail is to us, in the order that keeps the kinds apart. Pure.

====================  ================================================================
our own message       it carries our Message-ID itself: a copy of what we sent
complaint             a report of feedback (ARF, RFC 5965)
bounce                a delivery status notification (RFC 3464) that gave something up,
                      or what servers write instead of one
notice                a notification of a delay, a relay, a delivery
goodbye by our link   the signed subject or address of List-Unsubscribe (RFC 2369)
automatic reply       RFC 3834, the customary fields and subjects; a receipt (RFC 8098)
goodbye in words      a reply whose first line asks for it: proposed, never done
reply                 it answers a message of ours
other                 the rest
====================  ================================================================

Bounces come before automatic replies, because a third of them carries
``Auto-Submitted: auto-replied``. Nothing here changes anything: what is proven, and
what follows from it, is for `webapp.triage.receiving`.
"""

import uuid
from dataclasses import dataclass, field

from webapp.core.one_line import one_line
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.headers import Headers, parse_addresses, parse_headers
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.mime import Parsed, parse_mail
from webapp.senders.hardness import Hardness, hardness
from webapp.triage import auto_replies, complaints, goodbyes, naming, other_bounces
from webapp.triage.bare_text import bare
from webapp.triage.naming import BY_MESSAGE_ID, TOKEN, VERP, Proof, Read
from webapp.triage.reports import Report, is_receipt, original_ids, reports_in
from webapp.triage.returned import enclosed, ids_in, parted, texts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bounce says of one recipient; the addresses may be unknown."""

    recipients: tuple[str, ...]
    hardness: Hardness | None
    status: str
    words: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """What was made of a mail.

    Attributes
    ----------
    proof
        The message that it is proven to be about.
    named
        Others that it names; more than one, or one that contradicts another.
    recipients
        Of whom a bounce or complaint speaks, as far as it says.
    hardness
        How final a bounce is.
    status, words
        The code and the words of a bounce; else what a person should know.
    proposed
        Whether it asks for something that a person has to confirm.
    apart
        What a bounce says of each recipient, where that is not the same for all.
    """

    kind: MailKind
    proof: Proof | None = None
    named: tuple[uuid.UUID, ...] = ()
    recipients: tuple[str, ...] = ()
    hardness: Hardness | None = None
    status: str = ""
    words: str = ""
    proposed: bool = False
    apart: tuple[Verdict, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What a bounce says, of each recipient apart where that is not the same."""
        one = Verdict(self.recipients, self.hardness, self.status, self.words)
        return self.apart or (one,)


def needs_source(headers: Headers) -> bool:
    """Say whether the beginning of a mail is not enough to sort it.

    >>> needs_source(Headers((("content-type", "multipart/report; boundary=x"),)))
    True
    """
    return other_bounces.may_be_bounce(headers) or _may_be_feedback(headers)


def _may_be_feedback(headers: Headers) -> bool:
    named = f"{headers.first('from')[:500]}\n{headers.first('subject')[:500]}".lower()
    words = ("feedback", "complaint", "abuse", "fbl", "staff@", "arf@", "spam report")
    return any(word in named for word in words)


def sort(arrival: Arrival, read: Read) -> Sorted:
    """Return what a mail is.

    Parameters
    ----------
    read
        Reads our tokens; a forged one is None.
    """
    headers = arrival.headers
    own = naming.itself(headers, read)
    if own:
        return Sorted(MailKind.COPY, named=tuple(own))
    about = _About(headers, read)
    if arrival.source is not None:
        mail = parse_mail(arrival.source)
        found = _complaint(mail, about) or _bounce(mail, arrival.source, about)
        if found is not None:
            return found
    return _of_a_person(arrival, about)


@dataclass
class _About:
    """What a mail names of ours in its own headers."""

    headers: Headers
    read: Read
    sent_to: list[uuid.UUID] = field(init=False)
    answered: list[uuid.UUID] = field(init=False)

    def __post_init__(self) -> None:
        self.sent_to = naming.sent_to(self.headers, self.read)
        self.answered = naming.answered(self.headers, self.read)

    def proof_of(self, mail: Parsed) -> tuple[Proof | None, tuple[uuid.UUID, ...]]:
        """Return whose bounce or complaint a mail is, and all that it names."""
        values = [value for block in enclosed(mail) for value in ids_in(block)]
        inside = naming.quoted([*values, *original_ids(mail)], self.read)
        if not inside:
            inside = self.answered or self._in_words(mail)
        proof = naming.proof_of_bounce(self.sent_to, inside)
        return proof, tuple(dict.fromkeys([*self.sent_to, *inside]))

    def _in_words(self, mail: Parsed) -> list[uuid.UUID]:
        """Return what stands in the texts; of a header there its own names alone.

        The message may answer others of ours, which its References name as well.
        """
        whole = texts(mail)
        heads = (parted(text)[1] for text in whole)
        values = [
            value for head in heads for value in ids_in(parse_headers(head.encode()))
        ]
        return naming.quoted(values, self.read) or naming.quoted(whole, self.read)


def _complaint(mail: Parsed, about: _About) -> Sorted | None:
    found = complaints.complaint_in(mail)
    if found is None:
        return None
    proof, named = about.proof_of(mail)
    if proof is None and len(named) < 2:  # noqa: PLR2004 - two contradict each other
        sender = naming.quoted([found.mail_from], about.read)
        proof = Proof(sender[0], VERP) if sender else None
    if not found.is_ours:
        words = f"Feedback of the kind {found.kind}"
        return Sorted(MailKind.NOTICE, None, named, words=words)
    return Sorted(
        MailKind.COMPLAINT,
        proof,
        named,
        recipients=(found.recipient,) if found.recipient else (),
        words=f"Feedback of the kind {found.kind or 'abuse'}",
    )


def _bounce(mail: Parsed, source: bytes, about: _About) -> Sorted | None:
    if is_receipt(mail):
        proof, named = about.proof_of(mail)
        return Sorted(MailKind.AUTO_REPLY, proof, named)
    reports = reports_in(mail)
    if reports:
        return _of_reports(reports, mail, about)
    found = other_bounces.bounce_in(mail, source)
    if found is None:
        return None
    proof, named = about.proof_of(mail)
    if found.is_weak and proof and proof.by != VERP:
        proof = None
    return Sorted(
        MailKind.NOTICE if found.is_delay else MailKind.BOUNCE,
        proof,
        named,
        found.addresses,
        None if found.is_delay else found.hardness,
        found.status,
        found.words,
    )


def _of_reports(reports: list[Report], mail: Parsed, about: _About) -> Sorted:
    proof, named = about.proof_of(mail)
    failures = [one for one in reports if one.is_failure]
    telling = failures or reports
    recipients = tuple(
        dict.fromkeys(address for one in telling for address in one.addresses)
    )
    told = one_line(" ".join(texts(mail)), 300)
    verdicts = [_verdict(one, told) for one in telling]
    first = verdicts[0]
    differs = len({one.hardness for one in verdicts}) > 1
    return Sorted(
        MailKind.BOUNCE if failures else MailKind.NOTICE,
        proof,
        named,
        recipients,
        first.hardness,
        first.status,
        first.words,
        apart=tuple(verdicts) if differs else (),
    )


def _verdict(report: Report, told: str) -> Verdict:
    words = (report.diagnostic or told)[:300]
    hard = hardness(report.status, words) if report.is_failure else None
    return Verdict(report.addresses, hard, report.status, words)


def _of_a_person(arrival: Arrival, about: _About) -> Sorted:
    """Sort what is no report of a machine about delivery."""
    headers = about.headers
    left = naming.taken_leave_of(headers, about.read)
    if len(left) == 1:
        return Sorted(MailKind.UNSUBSCRIBE, Proof(left[0], TOKEN), tuple(left))
    named = tuple(dict.fromkeys([*about.answered, *about.sent_to]))
    proof = Proof(about.answered[0], BY_MESSAGE_ID) if about.answered else None
    if proof is None and about.sent_to:
        proof = Proof(about.sent_to[0], VERP)
    if auto_replies.is_automatic_reply(headers, names_us=proof is not None):
        return Sorted(MailKind.AUTO_REPLY, proof, named)
    is_from_a_list = bool(headers.first("list-id") or headers.first("list-unsubscribe"))
    if not is_from_a_list and goodbyes.is_goodbye(
        headers.text("subject"), _text_of(arrival)
    ):
        return Sorted(MailKind.UNSUBSCRIBE, proof, named, proposed=True)
    if proof is not None:
        return Sorted(MailKind.REPLY, proof, named)
    return Sorted(MailKind.OTHER, named=tuple(left) or named)


def _text_of(arrival: Arrival) -> str:
    """Return the beginning of the text that a person wrote."""
    headers = arrival.headers
    names = ("content-type", "content-transfer-encoding")
    head = "".join(
        f"{name}: {headers.first(name)}\r\n" for name in names if headers.first(name)
    )
    mail = parse_mail(head.encode("utf-8", "replace") + b"\r\n" + arrival.text)
    plain = next((part.text() for part in mail.bodies("plain")), "")
    return plain or next((bare(part.text()) for part in mail.bodies("html")), "")


def addresses_of(headers: Headers) -> tuple[str, str]:
    """Return name and address of the sender, as they are kept."""
    for one in parse_addresses(headers.first("from")):
        return one.name[:200], one.addr[:320]
    return "", ""
