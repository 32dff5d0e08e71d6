"""A connection as octets and commands, with our errors and our deadlines.

Several commands can go out in one write: they cost one round trip. Who does that keeps
to RFC 9051 5.5 (RFC 3501 5.5): behind a command that may tell of mails that left, mails
are named by UID and never by number.
"""

import contextlib
import imaplib
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from webapp.core.net import cut_after
from webapp.core.one_line import one_line
from webapp.mailboxes.imap_answers import Answer
from webapp.mailboxes.imap_client import ANSWER_CAP, Client, Reader, Wire
from webapp.mailboxes.imap_commands import Command, Heard, refusal, refuse_line_breaks
from webapp.mailboxes.imap_errors import ServerRefused, Unreachable
from webapp.mailboxes.patience import (
    seconds_in_all,
    seconds_left,
    seconds_of_silence,
)

COMMAND_SECONDS = 20.0
#: A mail of 25 MB has to go up; the line may be thin.
APPEND_SECONDS = 120.0
GOODBYE_SECONDS = 2.0
#: What tells of a change in the opened folder; several come together.
NEWS = {"EXISTS", "EXPUNGE", "FETCH", "VANISHED"}
SETTLE_SECONDS = 0.1
WORDS_LOST = "The connection to the mail server was lost."
WORDS_LATE = "The mail server did not answer in time."


class Line:
    """A connection as octets and commands; for one thread at a time.

    `broken` becomes true when it must not be used again.
    """

    def __init__(self, host: str, opened: socket.socket) -> None:
        try:
            with cut_after(seconds_left(COMMAND_SECONDS), opened):
                self.client = Client(host, opened)
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            opened.close()
            raise Unreachable(f"{host} does not speak IMAP on this port.") from error
        self.imap: Wire = self.client._imap
        self.broken = False
        self._is_late = False
        self._idle_tag = b""

    def command(self, name: bytes, args: list[bytes], *, uid: bool = False) -> bytes:
        """Send a command and return the text of its OK.

        8-bit arguments go out as literals. The untagged answers wait for `take`.

        Raises
        ------
        ImapError
            ServerRefused for NO and BAD, Unreachable for anything else.
        """
        said = Command(name, args, uid)
        for arg in args:
            refuse_line_breaks(arg)
        with self.guarded():
            if said.is_plain:
                (tag,) = self.send([said])
                status, data = self.imap._command_complete(name.decode(), tag)
            else:
                status, data = self.client._raw_command(name, list(args), uid=uid)
        if status != "OK":
            raise refusal(data[-1])
        return bytes(data[-1] or b"")

    def together(self, *steps: Sequence[Command]) -> list[Heard]:
        """Send commands in one write, and return what was answered to each step.

        The commands of a step may be answered in any order or at once, and Dovecot does
        so; a step begins when the one before is done. All must be plain; what was heard
        before is forgotten.

        Raises
        ------
        Unreachable
            If the line broke, or a step was answered before the one ahead of it.
        """
        commands = [command for step in steps for command in step]
        for arg in (arg for command in commands for arg in command.args):
            refuse_line_breaks(arg)
        heard: list[Heard] = []
        with self.guarded():
            tags = self.send(commands)
            for step in steps:
                mine, tags = tags[: len(step)], tags[len(step) :]
                self.imap.untagged_responses = {}
                ends = [self._end(tag) for tag in mine]
                if any(self.imap.tagged_commands[tag] for tag in tags):
                    raise self.imap.abort("answers out of order")
                heard.append(Heard(ends, self.imap.untagged_responses))
            self.imap.untagged_responses = {}
        return heard

    def _end(self, tag: Any) -> tuple[str, bytes]:
        status, data = self.imap._get_tagged_response(tag)
        self.imap._check_bye()
        return status, bytes(data[-1] or b"")

    def send(self, commands: Sequence[Command]) -> list[Any]:
        """Write plain commands at once, which is one round trip; return their tags."""
        for name in ("OK", "NO", "BAD"):
            self.take(name)
        tags = [self.imap._new_tag() for _ in commands]
        pairs = zip(tags, commands, strict=True)
        lines = [b"%b %b\r\n" % (tag, command.octets) for tag, command in pairs]
        self.imap.send(b"".join(lines))
        return tags

    def append(
        self,
        target: bytes,
        octets: bytes,
        flags: Sequence[bytes] = (),
        received: datetime | None = None,
    ) -> None:
        """Send APPEND (RFC 3501 6.3.11) with a mail; raises as `command` does.

        Parameters
        ----------
        target
            A quoted folder name.
        octets
            Lines end with CRLF.
        received
            Becomes INTERNALDATE; else the server takes the present.
        """
        for arg in (target, *flags):
            refuse_line_breaks(arg)
        args: list[Any] = [target, b"(" + b" ".join(flags) + b")"]
        if received is not None:
            args.append(imaplib.Time2Internaldate(received))
        with self.guarded(APPEND_SECONDS):
            self.imap.literal = octets  # type: ignore[assignment]  # imaplib's own way, typed as text
            status, data = self.imap._simple_command("APPEND", *args)
        if status != "OK":
            raise refusal(data[-1])

    def authenticate(self, mechanism: str, answer: Callable[[bytes], bytes]) -> None:
        """Sign in by SASL with one exchange; raises as `command` does."""
        with self.guarded():
            self.imap.literal = imaplib._Authenticator(answer).process  # type: ignore[assignment]  # imaplib's own way, typed as text
            status, data = self.imap._simple_command("AUTHENTICATE", mechanism)
        if status != "OK":
            raise refusal(data[-1])
        self.imap.state = "AUTH"

    @contextlib.contextmanager
    def guarded(self, seconds: float | None = None) -> Iterator[None]:
        """Turn what the library raises into our errors; a deadline cuts the line."""
        self.imap.budget = ANSWER_CAP
        deadline = self._deadline(seconds_in_all(seconds or COMMAND_SECONDS))
        try:
            self.imap.sock.settimeout(seconds_of_silence(COMMAND_SECONDS))
            yield
        except imaplib.IMAP4.abort as error:
            self.broken = True
            raise Unreachable(WORDS_LATE if self._is_late else WORDS_LOST) from error
        except imaplib.IMAP4.error as error:
            # A line over the library's limit is left half read.
            self.broken = self.broken or "got more than" in str(error)
            reply = one_line(str(error), 300)
            words = "The mail server refused the command."
            raise ServerRefused(words, reply) from error
        except OSError as error:
            self.broken = True
            raise Unreachable(WORDS_LATE) from error
        except Exception as error:  # imaplib's parser raises many kinds on nonsense
            self.broken = True
            words = "The answer of the mail server could not be understood."
            raise Unreachable(words) from error
        except BaseException:
            self.broken = True
            raise
        finally:
            deadline.cancel()

    def _deadline(self, seconds: float) -> threading.Timer:
        deadline = threading.Timer(seconds, self._cut)
        deadline.daemon = True
        deadline.start()
        return deadline

    def _cut(self) -> None:
        self.broken = self._is_late = True
        with contextlib.suppress(OSError):
            self.imap.sock.shutdown(socket.SHUT_RDWR)

    def idle(self) -> None:
        """Begin to listen (RFC 2177); `heard` then waits, and `rest` ends it."""
        for name in NEWS:
            self.take(name)
        with self.guarded():
            if not isinstance(self.imap.file, Reader):
                self.imap.file = Reader(self.imap.sock)  # type: ignore[assignment]  # reads as a file does
            self._idle_tag = self.imap._command("IDLE")
            while self.imap._get_response() is not None:
                if self.imap.tagged_commands.get(self._idle_tag):
                    raise self.imap.error("IDLE was refused")

    def heard(self, seconds: float) -> set[str]:
        """Wait while listening; return what kinds of news came, none if time is over.

        Raises
        ------
        Unreachable
            If the server says goodbye or the connection ends.
        """
        reader = self.imap.file
        assert isinstance(reader, Reader), "idle() comes first"
        try:
            while not self._news() and reader.waits(seconds):
                with self.guarded():
                    self.imap._get_response()
                    if "BYE" in self.imap.untagged_responses:
                        raise self.imap.abort("the server says goodbye")
                    if self.imap.tagged_commands.get(self._idle_tag):
                        raise self.imap.abort("the server ended IDLE")
                while reader.waits(SETTLE_SECONDS) and not self.broken:
                    with self.guarded():
                        self.imap._get_response()
        except (OSError, ValueError) as error:
            self.broken = True
            raise Unreachable(WORDS_LOST) from error
        news = self._news()
        for name in news:
            self.take(name)
        return news

    def rest(self) -> None:
        """Stop listening; other commands can follow."""
        with self.guarded():
            self.imap.send(b"DONE\r\n")
            self.imap._command_complete("IDLE", self._idle_tag)

    def _news(self) -> set[str]:
        return NEWS & set(self.imap.untagged_responses)

    def take(self, name: str) -> list[Answer | None]:
        """Return and forget the untagged answers of that name."""
        return list(self.imap.untagged_responses.pop(name, []))

    def has_heard(self) -> bool:
        """Whether something waits to be read: a goodbye, most likely, or the end."""
        return bool(select.select([self.imap.sock], [], [], 0)[0])

    def close(self) -> None:
        """Say goodbye if the line still stands, and close it in any case."""
        with contextlib.suppress(Exception):
            if not self.broken:
                with self.guarded(GOODBYE_SECONDS):
                    self.imap.logout()
        with contextlib.suppress(Exception):
            self.imap.shutdown()
