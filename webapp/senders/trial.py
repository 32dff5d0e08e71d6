"""Trying a sender out, step by step, in words: connect, TLS, sign in, send one.

Each step says what happened in our words; ``reply`` is what the server said, which only
those who manage senders get to see, and never its greeting.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from webapp.composing.mime import Composed
from webapp.core.net import PrivateHosts
from webapp.core.turns import alone
from webapp.core.words import _
from webapp.senders.outcome import Kind, Outcome, Trouble
from webapp.senders.replies import classify
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport
from webapp.senders.smtp_session import SmtpSession, Unwell

REPLY_SECONDS = 20.0
DOT_SECONDS = 60.0


class StepState(StrEnum):
    """How a step went."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trial."""

    name: str
    state: StepState = StepState.WAITING
    words: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """All steps; those after a failure stay *waiting*.

    `size_limit` is the largest message that the server takes; ``None`` where it was not
    reached, 0 where it does not say.
    """

    steps: tuple[Step, ...]
    size_limit: int | None = None

    @property
    def is_ok(self) -> bool:
        """Whether no step failed."""
        return not any(step.state is StepState.FAILED for step in self.steps)

    @property
    def failure(self) -> str:
        """Return the words of the step that failed, or nothing."""
        failed = (s.words for s in self.steps if s.state is StepState.FAILED)
        return next(failed, "")


NAMES = ("connect", "tls", "sign_in", "send")


def try_server(server: Server, allowed: PrivateHosts, mail: Composed | None) -> Trial:
    """Connect, start TLS, sign in, and hand over one mail if there is one."""
    steps = {name: Step(name) for name in NAMES}
    session = SmtpSession(server, allowed, REPLY_SECONDS)
    try:
        _reach(session, server, steps)
    except Unwell as unwell:
        name = next(n for n in NAMES if steps[n].state is StepState.WAITING)
        if name == "connect" and unwell.trouble is Trouble.TLS:
            steps["connect"] = _ok("connect", _connected(server))
            name = "tls"
        said = str(unwell.reply) if unwell.reply else ""
        steps[name] = Step(name, StepState.FAILED, unwell.words, said)
        return Trial(tuple(steps.values()))
    session.close()
    if mail is None:
        steps["send"] = Step("send", StepState.SKIPPED, _("Nothing was sent."))
    else:
        with SmtpTransport(
            server, allowed, seconds=REPLY_SECONDS, dot_seconds=DOT_SECONDS
        ) as transport:
            outcome = transport.hand_over(
                mail.mail_from, mail.rcpt_to, mail.octets, mail.smtputf8
            )
        steps["send"] = sent(outcome, mail.rcpt_to[0])
    return Trial(tuple(steps.values()), session.size_limit)


def dry(outcome: Outcome, to: str) -> Trial:
    """Return the trial of a dry run, which has only its last step."""
    step = sent(outcome, to)
    if step.state is StepState.OK:
        words = _("Dry run: a test message was made and checked; nothing was sent.")
        step = replace(step, words=words, reply="")
    return Trial((step,))


def sent(outcome: Outcome, to: str) -> Step:
    """Return the step that an outcome is."""
    if outcome.kind is Kind.ACCEPTED:
        return _ok(
            "send", _("The server accepted a message to %(to)s.", to=to), outcome
        )
    if outcome.kind is Kind.UNKNOWN:
        words = _("The server did not say whether it accepted the message.")
    elif outcome.code is None:
        words = outcome.reply
    else:
        failure = classify(
            outcome.code, outcome.enhanced, outcome.reply, outcome.trouble
        )
        words = _("The server did not take the message: %(why)s.", why=failure.words)
    return Step("send", StepState.FAILED, words, _said(outcome))


def _reach(session: SmtpSession, server: Server, steps: dict[str, Step]) -> None:
    """Take the steps up to the sign-in, noting each that went well.

    Raises
    ------
    Unwell
        At the first that does not.
    """
    alone(session.connect())
    steps["connect"] = _ok("connect", _connected(server))
    alone(session.secure())
    if server.security is Security.NONE:
        words = _("Not encrypted. This host is allowed for that.")
        steps["tls"] = Step("tls", StepState.SKIPPED, words)
    else:
        words = _("The connection is encrypted, and the certificate is valid.")
        steps["tls"] = _ok("tls", words)
    alone(session.sign_in())
    if server.login is None:
        words = _("No authentication.")
        steps["sign_in"] = Step("sign_in", StepState.SKIPPED, words)
    else:
        words = _("Signed in as %(login)s.", login=server.login)
        steps["sign_in"] = _ok("sign_in", words)


def _connected(server: Server) -> str:
    """Say that the server was reached."""
    values = {"host": server.host, "port": server.port}
    return _("Connected to %(host)s port %(port)s.", **values)


def _ok(name: str, words: str, outcome: Outcome | None = None) -> Step:
    """Return a step that went well."""
    return Step(name, StepState.OK, words, _said(outcome) if outcome else "")


def _said(outcome: Outcome) -> str:
    """Return what the server said, with its code."""
    if outcome.code is None:
        return ""
    return f"{outcome.code} {outcome.reply}"
