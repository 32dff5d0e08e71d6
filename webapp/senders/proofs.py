"""From replies to outcomes: what each reply proves for each recipient."""

from collections.abc import Sequence

from webapp.senders.outcome import Kind, Outcome, RecipientOutcome
from webapp.senders.smtp_reply import Reply


def kind_of(reply: Reply) -> Kind:
    """Return what a reply that is no yes proves."""
    return Kind.REFUSED if reply.code >= 500 else Kind.DEFERRED  # noqa: PLR2004 - RFC 5321 4.2.1


def recipient(addr: str, kind: Kind, said: Reply | str) -> RecipientOutcome:
    """Return the outcome of one recipient, from a reply or from a sentence of ours."""
    if isinstance(said, str):
        return RecipientOutcome(addr, kind, None, said)
    return RecipientOutcome(addr, kind, said.code, said.text, said.enhanced)


def same_for_all(
    kind: Kind, rcpt_to: Sequence[str], reply: Reply | None = None, words: str = ""
) -> Outcome:
    """Return an outcome that is the same for every recipient."""
    return together(rcpt_to, {}, (kind, reply or words))


def together(
    rcpt_to: Sequence[str],
    refused: dict[str, RecipientOutcome],
    rest: tuple[Kind, Reply | str] | None,
) -> Outcome:
    """Join the outcomes of the recipients to the one of the message.

    What became of the body decides; where it was never sent, the recipient with the
    most hope does.
    """
    recipients = tuple(
        refused[addr] if addr in refused else recipient(addr, *rest)  # type: ignore[misc]  # no rest means that all are refused
        for addr in rcpt_to
    )
    if rest is None:
        deferred = [one for one in recipients if one.kind is Kind.DEFERRED]
        decisive = (deferred or list(recipients))[0]
    else:
        decisive = next(one for one in recipients if one.addr not in refused)
    return Outcome(
        decisive.kind, decisive.code, decisive.enhanced, decisive.reply, recipients
    )
