"""A hundred mails that come back, as many servers write them; the wording is our own.

Each server's manner of a report is crossed with the ways in which delivery fails; what
servers write without a report, complaints, robots and people stand one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.triage.answering import About, Dsn, feedback, octets, person, plain


@dataclass(frozen=True)
class Case:
    """A mail, and what it is."""

    name: str
    source: bytes
    kind: str
    hardness: str = ""
    ties: bool = True


@dataclass(frozen=True)
class Failure:
    """A way in which delivery fails: code, status, words, how final it is."""

    name: str
    status: str
    words: str
    hardness: str


FAILURES = (
    Failure("unknown", "5.1.1", "550 5.1.1 <{to}> we know nobody of this name", "hard"),
    Failure("no host", "5.1.2", "550 5.1.2 there is no such domain", "hard"),
    Failure("disabled", "5.2.1", "550 5.2.1 this account was switched off", "hard"),
    Failure("full", "5.2.2", "552 5.2.2 no room left, over quota", "full"),
    Failure("late", "4.4.7", "451 4.4.7 five days over, connection timed out", "soft"),
    Failure("policy", "5.7.1", "550 5.7.1 our filter refuses this letter", "blocked"),
    Failure("large", "5.3.4", "552 5.3.4 this letter is too large for us", "blocked"),
)


def servers(known: About) -> dict[str, Dsn]:
    """Return each server's manner of a report."""
    to, back = known.to, known.returned
    return {
        "postfix": Dsn(
            to,
            sender="MAILER-DAEMON@mx.example (Mail Delivery System)",
            text=f"I could not deliver to:\n\n<{to}>: host said no",
            extra=f"Original-Recipient: rfc822;{to}\nRemote-MTA: dns; in.example\n",
            returned=back,
        ),
        "exim": Dsn(
            to,
            sender="Mail Delivery System <Mailer-Daemon@exim.example>",
            subject="Mail delivery failed: returning message to sender",
            head=f"X-Failed-Recipients: {to}\nAuto-Submitted: auto-replied\n",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "sendmail": Dsn(
            to,
            sender="Mail Delivery Subsystem <MAILER-DAEMON@send.example>",
            subject="Returned mail: see transcript for details",
            head="Auto-Submitted: auto-generated (failure)\n",
            text=f"   ----- These addresses had fatal errors -----\n<{to}>",
            returned=back,
        ),
        "exchange": Dsn(
            to,
            sender="postmaster@corp.example",
            subject="Undeliverable: Your November",
            head="X-MS-Exchange-Message-Is-Ndr:\nContent-Language: en-GB\n",
            text="Delivery has failed to these recipients or groups",
            extra=f"X-Display-Name: {to}\n",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "microsoft 365": Dsn(
            to,
            sender=(
                "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce411"
                "@corp.example>"
            ),
            subject="Undeliverable: Your November",
            head=f"In-Reply-To: {known.message_id}\nReferences: {known.message_id}\n",
            text="Your message couldn't be delivered.",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "gmail": Dsn(
            to,
            sender="Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
            subject="Delivery Status Notification (Failure)",
            head=f"References: {known.message_id}\nX-Failed-Recipients: {to}\n",
            text="** Address trouble **\n\nYour message was not delivered",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "yahoo": Dsn(
            to,
            sender="<mailer-daemon@yahoo.example>",
            subject="Failure Notice",
            text="Sorry, we were unable to deliver your message.",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "qmail with reports": Dsn(
            to,
            sender="MAILER-DAEMON@qmail.example",
            subject="failure notice",
            text="Hi. This is the program that sends mail here.",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "opensmtpd": Dsn(
            to,
            action="error",
            sender="Mailer Daemon <MAILER-DAEMON@open.example>",
            subject="Delivery status notification: error",
            returned=back,
        ),
        "domino": Dsn(
            to,
            sender="postmaster@notes.example",
            subject="DELIVERY FAILURE: see below",
            text="Your message\n\n  Subject: Your November\n\nwas not delivered to:",
            enclosed_type="message/rfc822",
            returned=back,
        ),
        "relay in the cloud": Dsn(
            to,
            sender="MAILER-DAEMON@cloud.example",
            subject="Delivery Status Notification (Failure)",
            text="An error occurred while trying to deliver the mail.",
            to=known.bounce_address,
            returned="",
        ),
        "in german": Dsn(
            to,
            sender="Mailzustellsystem <mailer-daemon@post.example>",
            subject="Unzustellbar: Ihr November",
            text="Die Nachricht konnte nicht zugestellt werden.",
            returned=back,
        ),
    }


def reports(known: About) -> Iterator[Case]:
    """Return every server's report of every failure."""
    for server, dsn in servers(known).items():
        for failure in FAILURES:
            made = replace(
                dsn,
                status=failure.status,
                diagnostic=f"smtp; {failure.words.format(to=known.to)}",
            )
            yield Case(
                f"{server}, {failure.name}", made.octets(), "bounce", failure.hardness
            )


def odd_reports(known: About) -> Iterator[Case]:
    """Return reports that lack what a report must have, or say that nothing failed."""
    dsn = Dsn(known.to, returned=known.returned)
    yield Case("no action", replace(dsn, action="").octets(), "bounce", "hard")
    yield Case("no status", replace(dsn, status="").octets(), "bounce", "hard")
    yield Case(
        "status says nothing", replace(dsn, status="5.0.0").octets(), "bounce", "hard"
    )
    two = "\nFinal-Recipient: rfc822; other@example.net\nAction: delivered\n"
    yield Case(
        "two recipients",
        replace(dsn, extra=f"{two}Status: 2.0.0\n").octets(),
        "bounce",
        "hard",
    )
    yield Case(
        "known only by its address",
        replace(dsn, returned="", to=known.bounce_address).octets(),
        "bounce",
        "hard",
    )
    international = dsn.octets().replace(
        b"delivery-status\r\n", b"global-delivery-status\r\n"
    )
    yield Case("international", international, "bounce", "hard")
    rewritten = known.returned.replace("Message-ID", "X-Gmail-Original-Message-ID")
    yield Case(
        "a relay with its own Message-ID",
        replace(dsn, returned=rewritten.replace("Return-Path", "X-Was")).octets(),
        "bounce",
        "hard",
    )
    for action, status in (
        ("delayed", "4.4.1"),
        ("relayed", "2.0.0"),
        ("expanded", "2.0.0"),
        ("delivered", "2.1.5"),
    ):
        made = replace(dsn, action=action, status=status, diagnostic="")
        yield Case(action, made.octets(), "notice")


def in_words(known: About) -> Iterator[Case]:
    """Return bounces of servers that write no report."""
    to, mid, back = known.to, known.message_id, known.returned
    daemon = "From: MAILER-DAEMON@old.example\nTo: desk@desk.example\n"
    yield Case(
        "qmail",
        plain(
            f"Return-Path: <>\n{daemon}Subject: failure notice",
            "Hi. This is the qmail-send program at old.example.\n"
            "I'm afraid I wasn't able to deliver your message to these addresses.\n\n"
            f"<{to}>:\n192.0.2.9 does not like recipient.\nRemote host said: 550 5.1.1 "
            f"no such user\n\n--- Below this line is a copy of the message.\n\n{back}",
        ),
        "bounce",
        "hard",
    )
    yield Case(
        "exim in words",
        plain(
            f"{daemon}Subject: Mail delivery failed: returning message to sender\n"
            f"X-Failed-Recipients: {to}",
            "This message was created automatically by mail delivery software.\n\n"
            f"  {to}\n    mailbox is full: retry timeout exceeded\n\n{back}",
        ),
        "bounce",
        "full",
    )
    yield Case(
        "exchange of old",
        plain(
            "From: System Administrator <postmaster@corp.example>\n"
            f"Subject: Undeliverable: Your November\nIn-Reply-To: {mid}",
            "Your message did not reach some or all of the intended recipients.\n\n"
            f"  {to} on 22/11/2026\n    The e-mail account does not exist at the "
            "organization\n    <corp.example #5.1.1>",
        ),
        "bounce",
        "hard",
    )
    yield Case(
        "groupwise",
        plain(
            f"{daemon}Subject: Message status - undeliverable",
            f"The message that you sent was undeliverable to the following:\n\n   {to} "
            f"(user not found)\n\n{back}",
        ),
        "bounce",
        "hard",
    )
    yield Case(
        "a gateway",
        plain(
            "From: MailGateway <postmaster@gate.example>\nTo: desk@desk.example\n"
            "Subject: Delivery failure\nReturn-Path: <>",
            f"Message-ID: {mid}\nRecipient: {to}\nReason: 554 5.7.1 blocked by policy",
        ),
        "bounce",
        "blocked",
    )
    for language, subject, text in (
        ("german", "Nicht zugestellt: Ihr November", "Empfänger unbekannt. 550 5.1.1"),
        ("french", "Échec de la remise", "Utilisateur inconnu, 550 5.1.1"),
        ("spanish", "No se ha podido entregar", "550 5.1.1 usuario desconocido"),
        ("portuguese", "Falha na entrega", "550 5.1.1 utilizador desconhecido"),
        ("dutch", "Onbestelbaar: uw bericht", "550 5.1.1 onbekende gebruiker"),
        ("russian", "Недоставленное сообщение", "550 5.1.1 нет такого адреса"),
        ("japanese", "配信エラー", "550 5.1.1 宛先不明"),
    ):
        body = f"{text}\n\n<{to}>\n\n{back}"
        yield Case(
            language, plain(f"{daemon}Subject: {subject}", body), "bounce", "hard"
        )
    yield Case(
        "a warning",
        plain(
            f"{daemon}Subject: Warning: message delayed 4 hours",
            f"Your message to {to} has not been delivered yet.\nYou do not need to "
            f"resend it; we will keep trying.\n\n{back}",
        ),
        "notice",
    )


def complaints(known: About) -> Iterator[Case]:
    """Return complaints, and feedback that is none."""
    to, back = known.to, known.returned
    yield Case("abuse", feedback(to, back), "complaint")
    yield Case("abuse of nobody", feedback("", back), "complaint")
    hidden = feedback("redacted@provider.example", back)
    yield Case("abuse, hidden", hidden, "complaint")
    yield Case("fraud", feedback(to, back, "fraud"), "complaint")
    yield Case("opted out", feedback(to, back, "opt-out"), "complaint")
    only_headers = feedback(to, back).replace(b"message/rfc822", b"text/rfc822-headers")
    yield Case("abuse, headers only", only_headers, "complaint")
    yield Case(
        "known by its bounce address",
        feedback(to, "", extra=f"Original-Mail-From: <{known.bounce_address}>\n"),
        "complaint",
    )
    yield Case(
        "a provider without reports",
        octets(
            "From: staff@webmail.example\nTo: desk@desk.example\nSubject: complaint\n"
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n--q\n"
            "Content-Type: message/rfc822\n\n"
            f"X-HmXmrOriginalRecipient: {to}\n{back}\n\nHi\n--q--\n"
        ),
        "complaint",
    )
    yield Case("not spam", feedback(to, back, "not-spam"), "notice", ties=False)
    yield Case("signatures", feedback(to, back, "auth-failure"), "notice", ties=False)


def robots(known: About) -> Iterator[Case]:
    """Return automatic replies."""
    answers = f"In-Reply-To: {known.message_id}\n"
    head = f"From: {known.to}\nTo: desk@desk.example\n"
    for name, lines in (
        ("rfc 3834", "Subject: Away\nAuto-Submitted: auto-replied\n"),
        ("with a comment", "Subject: Away\nAuto-Submitted: auto-replied (vacation)\n"),
        ("exchange", "Subject: Automatic reply: Your November\n"),
        ("german", "Subject: Automatische Antwort: Ihr November\n"),
        ("note", "Subject: Abwesenheitsnotiz\n"),
        ("french", "Subject: Réponse automatique : Votre novembre\n"),
        ("spanish", "Subject: Respuesta automática: noviembre\n"),
        ("italian", "Subject: Risposta automatica: novembre\n"),
        ("swedish", "Subject: Autosvar: november\n"),
        ("polish", "Subject: Automatyczna odpowiedź: listopad\n"),
        ("japanese", "Subject: 自動応答: 11月\n"),
        ("chinese", "Subject: 自动回复: 十一月\n"),
        ("field", "Subject: Hello\nX-Autoreply: yes\n"),
        ("responder", "Subject: Hello\nX-Autorespond: Your November\n"),
        ("precedence", "Subject: Re: Your November\nPrecedence: auto_reply\n"),
        ("ticket", "Subject: [#12] We have received your request\nReturn-Path: <>\n"),
        ("vacation", "Subject: On vacation until Monday\n"),
    ):
        yield Case(name, plain(head + lines + answers, "I am away."), "auto_reply")
    to_bounces = head.replace("desk@desk.example", known.bounce_address)
    lines = "Subject: Out of office\nReturn-Path: <>\n"
    yield Case(
        "to the bounce address", plain(to_bounces + lines, "I am away."), "auto_reply"
    )


def people(known: About) -> Iterator[Case]:
    """Return replies, and goodbyes by our link and in words."""
    mid, to = known.message_id, known.to
    for name, subject, text in (
        ("short", "Re: Your November", "Thank you!"),
        ("outlook", "AW: Your November", "Danke!\n\nVon: Harbour Library"),
        ("mentions a bounce", "Re: Your November", "My old mailbox is full: 552 5.2.2"),
        ("mentions stopping", "Re: Your November", "I cannot stop reading it."),
        ("without re", "Your November", "Sounds good"),
        ("empty", "", ""),
    ):
        yield Case(name, person(to, subject, text, mid), "reply")
    from_elsewhere = person(
        "colleague@example.net", "Fwd: Your November", "Me too", mid
    )
    yield Case("somebody else", from_elsewhere, "reply")
    yield Case("by link", person(to, known.leave, "unsubscribe"), "unsubscribe")
    yield Case("by link, shouted", person(to, known.leave.upper(), ""), "unsubscribe")
    for words in ("Please unsubscribe me", "STOP", "Abmelden!", "Désabonner", "退订"):
        yield Case(words, person(to, "Re: November", words, mid), "unsubscribe")


def all_of(known: About) -> list[Case]:
    """Return them all."""
    makers = (reports, odd_reports, in_words, complaints, robots, people)
    return [case for make in makers for case in make(known)]


def ordinary() -> list[bytes]:
    """Return two hundred mails of everyday, some of which speak of bounces."""
    subjects = (
        "Re: lunch on Friday", "Your invoice 550-511", "Delivery of your parcel failed",
        "Returned mail: what to do with letters?", "Minutes of the meeting",
        "Undeliverable promises, a novel", "Failure notice of the boiler", "Photos",
        "Welcome to our newsletter", "Mail delivery times in December",
        "Your order has been shipped", "Password reset", "[list] Postfix: 550 5.1.1",
        "Invitation: planning", "Report domain: example.org", "Re: Re: Re: question",
        "Stop the press", "Unsubscribe rates in 2026", "Out and about", "Vacation",
    )  # fmt: skip
    senders = (
        "Zoë Lindqvist <zoe@example.se>", "shop@parcel.example", "noreply@bank.example",
        "\"Postmaster's daughter\" <ada@example.org>", "news@letters.example",
    )  # fmt: skip
    bodies = (
        "See you then.",
        "The server said: 550 5.1.1 <x@example.org>: no such user. What is that?",
        "> Your message could not be delivered\n\nDid you see this?",
    )
    found = []
    for at in range(200):
        subject, sender = subjects[at % 20], senders[at // 20 % 5]
        extra = "List-Id: <talk.example.org>\n" if at % 7 == 0 else ""
        extra += "List-Unsubscribe: <mailto:x@y.example>\n" if "news" in sender else ""
        head = f"From: {sender}\nTo: desk@desk.example\nSubject: {subject}\n{extra}"
        head += f"Message-ID: <{at}@everyday.example>"
        found.append(plain(head, bodies[at % 3]))
    return found
