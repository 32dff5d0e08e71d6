"""Commands as octets, and what was heard in answer to one. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from webapp.core.one_line import one_line
from webapp.mailboxes.imap_answers import Answer, response_code
from webapp.mailboxes.imap_errors import ServerRefused
from webapp.mailboxes.imap_fetched import Fetched, read_fetch


@dataclass(frozen=True)
class Command:
    """A command with its arguments, which hold no line breaks."""

    name: bytes
    args: Sequence[bytes] = ()
    uid: bool = False

    @property
    def octets(self) -> bytes:
        """The command without tag and line end."""
        verb = [b"UID", self.name] if self.uid else [self.name]
        return b" ".join([*verb, *self.args])

    @property
    def is_plain(self) -> bool:
        """Whether it needs no literal, for which the server would have to be waited."""
        return self.octets.isascii()


@dataclass(frozen=True)
class Heard:
    """The answer to one command, or to several that went out together.

    Attributes
    ----------
    ends
        Status and text of each command, in their order.
    untagged
        What came before the last of these, by name. A server may answer several
        commands at once, so it is not said which one brought it.
    """

    ends: Sequence[tuple[str, bytes]] = ()
    untagged: Mapping[str, Sequence[Answer | None]] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether every command was done."""
        return all(status == "OK" for status, _text in self.ends)

    def checked(self) -> "Heard":
        """Return this answer if every command was done.

        Raises
        ------
        ServerRefused
            If one was answered NO or BAD.
        """
        for status, text in self.ends:
            if status != "OK":
                raise refusal(text)
        return self

    def told(self, name: str) -> Sequence[Answer | None]:
        """Return the untagged answers of that name."""
        return self.untagged.get(name, ())

    @property
    def has_shifted(self) -> bool:
        """Whether it told that mails left the folder."""
        return "EXPUNGE" in self.untagged or "VANISHED" in self.untagged


def fetching(uids: bytes, items: bytes) -> Command:
    """Ask for items of UIDs; `fetched` reads the answer."""
    return Command(b"FETCH", [uids, items], uid=True)


def fetched(heard: Heard) -> Fetched:
    """Read the answer to FETCH.

    Raises
    ------
    ServerRefused
        If it is NO or BAD.
    """
    answers = heard.checked().told("FETCH")
    return read_fetch(answers, has_shifted=heard.has_shifted)


def searching(keys: Sequence[bytes]) -> Command:
    """Ask for the UIDs that match; `found` reads the answer."""
    return Command(b"SEARCH", keys, uid=True)


def found(heard: Heard) -> list[int]:
    """Read the answer to SEARCH; raises as `fetched` does."""
    answers = heard.checked().told("SEARCH")
    words = b" ".join(text for text in answers if isinstance(text, bytes))
    return sorted({int(word) for word in words.split() if word.isdigit()})


def storing(uids: bytes, change: bytes, flags: Sequence[bytes]) -> Command:
    """Add (``+``) or remove (``-``) flags of a UID set."""
    change += b"FLAGS.SILENT"
    return Command(b"STORE", [uids, change, b"(" + b" ".join(flags) + b")"], uid=True)


def expunging(uids: bytes) -> Command:
    """Remove those of a UID set that are marked as deleted (RFC 4315 2.1).

    There is no way here to say EXPUNGE alone: it would take mails of others.
    """
    return Command(b"EXPUNGE", [uids], uid=True)


def refuse_line_breaks(value: bytes) -> None:
    """Let no value end its command: the one gate, and every argument passes it.

    Raises
    ------
    ServerRefused
        If the value holds CR, LF or NUL; nothing is sent then.
    """
    if any(octet in value for octet in b"\r\n\0"):
        raise ServerRefused("A value held a line break, so it was not sent.")


def quoted(text: bytes) -> bytes:
    r"""Return an IMAP quoted string; 8-bit text is sent as a literal by the client.

    >>> quoted(b'a"b')
    b'"a\\"b"'
    """
    refuse_line_breaks(text)
    if not text.isascii():
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def refusal(text: object) -> ServerRefused:
    """Return the error for a tagged NO with this text."""
    octets = text if isinstance(text, bytes) else b""
    said = re.sub(rb"^\s*\[[^\]]{1,200}\]\s*", b"", octets)
    reply = one_line(said.decode("utf-8", "replace"), 300)
    words = "The mail server refused the command."
    return ServerRefused(words, reply, response_code(octets))
