"""What a mail server did to us, as the errors that pages and the API show."""

from collections.abc import Iterator
from contextlib import contextmanager

from webapp.core.errors import DomainError, NotFound, Refused, Unavailable
from webapp.mailboxes.imap_errors import (
    FolderGone,
    FolderRenumbered,
    ImapError,
    MailGone,
    ServerRefused,
    SignInRefused,
    Unreachable,
)
from webapp.mailboxes.sanitise_limited import TooHard

ANSWERS: tuple[tuple[type[ImapError], type[DomainError]], ...] = (
    (FolderGone, NotFound),
    (MailGone, NotFound),
    (FolderRenumbered, Refused),
    (SignInRefused, Refused),
    (ServerRefused, Refused),
    (Unreachable, Unavailable),
)


@contextmanager
def in_words() -> Iterator[None]:
    """Turn trouble with a mail server into 404, 409 or 503 with its sentence."""
    try:
        yield
    except TooHard as error:
        raise Refused(str(error)) from error
    except ImapError as error:
        kinds = (answer for kind, answer in ANSWERS if isinstance(error, kind))
        words = f"{error.words} {error.reply}".strip()
        raise next(kinds, Refused)(words) from error
