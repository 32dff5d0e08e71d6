"""The words of the desk with what they mean, and its keys: what the help page lists."""

from webapp.campaigns.reasons import words_of
from webapp.campaigns.states import State, Status
from webapp.core.words import _l

STATUSES = {
    Status.PENDING: _l("Waits for its turn. Nothing has left."),
    Status.SENDING: _l("Is being handed to the server right now."),
    Status.DEFERRED: _l("The server said “not now”. It is tried again by itself."),
    Status.SENT: _l("The server accepted it. What happens later shows as an event."),
    Status.FAILED: _l("The server refused it for good, or it was tried long enough."),
    Status.UNKNOWN: _l(
        "The connection broke after the message was handed over and before the answer "
        "came. It may have arrived, so a person decides: it went, or send again."
    ),
    Status.SKIPPED: _l("Not sent, for a reason: suppressed, duplicate, no address."),
    Status.CANCELLED: _l("The campaign was cancelled before its turn came."),
}

STATES = {
    State.DRAFT: _l("Is being written."),
    State.CHECKING: _l(
        "Every row is rendered and looked through before anything goes."
    ),
    State.READY: _l("The check is through; it can be sent."),
    State.SCHEDULED: _l("Starts by itself at its time."),
    State.HOLDING: _l("The seconds in which you can still stop it."),
    State.LAUNCHING: _l("Writes one row for each recipient."),
    State.SENDING: _l("Messages leave."),
    State.PAUSED: _l("Nothing leaves until somebody resumes it; nothing is lost."),
    State.FINISHED: _l("No message is waiting any more."),
    State.CANCELLED: _l("What was left is not sent."),
}

WHAT_TO_DO = {
    "address": _l("Final. Mend or remove the row in its recipient table."),
    "busy": _l("It was tried until the time was up; try again another day."),
    "policy": _l("Check SPF, DKIM and DMARC of your domain, and the content."),
    "sender": _l("The campaign pauses itself. Mend the sender, then resume."),
    "network": _l("It is tried again by itself. Check the server's name and port."),
    "content": _l("Open the message: it says which name is missing in which row."),
}

PRACTICE_ADDRESSES = {
    "bounce": _l("Refused at once: the address does not exist (550 5.1.1)."),
    "full": _l("Not now: the inbox is full (452 4.2.2). It is tried again."),
    "slow": _l("The server takes five seconds to answer."),
    "later": _l("Refused the first time, accepted the second."),
    "dsn": _l("Accepted, and a little later it comes back as undeliverable."),
    "reply": _l("Somebody answers."),
    "away": _l("An automatic reply comes."),
    "stop": _l("Unsubscribes by mail."),
}

KEYS = {
    _l("Everywhere"): (
        ("?", _l("this help")),
        ("/", _l("search")),
        ("g d", _l("dashboard")),
        ("g c", _l("campaigns")),
        ("g t", _l("triage")),
        ("g s", _l("senders")),
    ),
    _l("Campaigns"): (
        ("n", _l("new campaign")),
        ("p", _l("pause, resume")),
        ("f", _l("failed messages")),
        ("[ ]", _l("previous and next message or row")),
    ),
    _l("Message template and preview"): (
        ("Ctrl S", _l("save")),
        ("[ ]", _l("previous and next row")),
        ("m", _l("next width")),
        ("d", _l("dark, light")),
        ("t", _l("the text")),
    ),
    _l("Triage"): (
        ("j k", _l("next and previous mail")),
        ("Enter", _l("open")),
        ("x", _l("select")),
        ("s", _l("flag")),
        ("i u", _l("read, unread")),
        ("e", _l("archive")),
        ("#", _l("delete")),
        ("d", _l("done")),
        ("a", _l("assign to me")),
        ("l", _l("label")),
        ("r", _l("reply")),
        ("z", _l("undo")),
        ("Esc", _l("back")),
    ),
}


def failures() -> list[tuple[str, str, str]]:
    """Return the classes of failures: name, words, what to do."""
    return [(kind, words_of(kind), str(words)) for kind, words in WHAT_TO_DO.items()]
