"""The few ways in which a mail server can fail us, each with words for a person."""

WORDS_RENUMBERED = "The server has numbered this folder anew. Open the folder again."


class ImapError(Exception):
    """Something went wrong between us and the mail server.

    Attributes
    ----------
    words
        One sentence for an operator, our own.
    reply
        What the server said after we had signed in or when it refused the password,
        printable and short; shown as text only.
    """

    def __init__(self, words: str, reply: str = "", code: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.reply = reply
        self.code = code


class SignInRefused(ImapError):
    """The server judged the password and said no: nobody tries it again by itself."""


class Unreachable(ImapError):
    """The server cannot be used just now; later it may, with the same password."""

    def __init__(self, words: str, *, step: str = "connect") -> None:
        super().__init__(words)
        self.step = step


class FolderGone(ImapError):
    """The folder was renamed or deleted on the server."""


class FolderRenumbered(ImapError):
    """UIDVALIDITY changed: the UIDs that the page knew mean nothing any more."""


class MailGone(ImapError):
    """No mail has this UID (any more)."""


class ServerRefused(ImapError):
    """The server understood and said NO, or did not understand (BAD)."""
