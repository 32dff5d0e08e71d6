"""What a mail can be to us; `webapp.triage.sorting` says how that is told. Pure."""

from enum import StrEnum


class MailKind(StrEnum):
    """What a mail is to us."""

    COMPLAINT = "complaint"
    BOUNCE = "bounce"
    NOTICE = "notice"
    AUTO_REPLY = "auto_reply"
    UNSUBSCRIBE = "unsubscribe"
    REPLY = "reply"
    COPY = "copy"
    OTHER = "other"
    SET_ASIDE = "set_aside"


class MailState(StrEnum):
    """Whether people still have something to do about a mail."""

    OPEN = "open"
    DONE = "done"
