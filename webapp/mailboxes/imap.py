"""What we say to a mail server: folders, select, fetch, search, store.

Values from outside become octets in `imap_commands`; CR, LF and NUL are refused by
`imap_wire`; what goes wrong comes out as one of `imap_errors`, in words.
`imap_signin.connect` makes a `Connection`.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from webapp.mailboxes.imap_answers import (
    Answer,
    Counts,
    Listed,
    Placed,
    parse_appenduid,
    parse_copyuid,
    parse_list,
    parse_status,
    uids_of,
)
from webapp.mailboxes.imap_commands import (
    Command,
    Heard,
    fetched,
    found,
    quoted,
    searching,
)
from webapp.mailboxes.imap_errors import FolderGone, ServerRefused
from webapp.mailboxes.imap_fetched import Fetched, read_fetch
from webapp.mailboxes.imap_selected import Recent, Selected, read_selected
from webapp.mailboxes.imap_wire import Line

TARGET_GONE = "The folder to put it into is no longer on the server."
#: Folders whose newest mails a connection keeps in mind.
MOST_REMEMBERED = 100
STATUS_ITEMS = b"(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"
#: Refusals of SELECT that do not mean that the folder is gone (RFC 5530).
STILL_THERE = {"NOPERM", "UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"}


class Connection:
    """A signed-in connection; for one thread at a time.

    `recent` is what to ask for first the next time; it may be wrong by then.
    `lacks_partial` says that the server gives no pieces of header fields.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self.capabilities: frozenset[str] = frozenset()
        self.selected: Selected | None = None
        self._opened = Heard()
        self._has_qresync = False
        self.recent: dict[bytes, Recent] = {}
        self.lacks_partial = False

    @property
    def broken(self) -> bool:
        """Whether it must not be used again."""
        return self.line.broken

    def has(self, capability: str) -> bool:
        """Say whether the server offers that extension, by its exact name."""
        return capability in self.capabilities

    def _ask(
        self, name: bytes, args: list[bytes], answer: str, *, uid: bool = False
    ) -> list[Answer | None]:
        """Send a command and return the untagged answers that it brought."""
        self.line.take(answer)
        self.line.command(name, args, uid=uid)
        return self.line.take(answer)

    # --- folders --------------------------------------------------------------------

    def list_folders(self) -> tuple[list[Listed], dict[bytes, Counts]]:
        """Return every folder, and counts where the server gives them at once."""
        if self.selected:
            # The counts of an open folder are what this session was told last.
            self.noop()
        args = [b'""', b'"*"']
        if self.has("LIST-STATUS"):
            wanted = b"SPECIAL-USE " if self.has("SPECIAL-USE") else b""
            wanted += b"SUBSCRIBED " if self.has("LIST-EXTENDED") else b""
            args.append(b"RETURN (" + wanted + b"STATUS " + STATUS_ITEMS + b")")
        self.line.take("STATUS")
        listed = parse_list(self._ask(b"LIST", args, "LIST"))
        return listed, parse_status(self.line.take("STATUS"))

    def create(self, raw: bytes) -> None:
        """Make a folder and subscribe to it."""
        self.line.command(b"CREATE", [quoted(raw)])
        self.line.command(b"SUBSCRIBE", [quoted(raw)])

    def rename(self, raw: bytes, to: bytes) -> None:
        """Give a folder, and those inside it, another name."""
        self.line.command(b"RENAME", [quoted(raw), quoted(to)])

    def subscribe(self, raw: bytes, *, wanted: bool) -> None:
        """Subscribe to a folder or no longer."""
        verb = b"SUBSCRIBE" if wanted else b"UNSUBSCRIBE"
        self.line.command(verb, [quoted(raw)])

    def status(self, raw: bytes) -> Counts:
        """Return the counts of one folder that is not selected."""
        answers = self._ask(b"STATUS", [quoted(raw), STATUS_ITEMS], "STATUS")
        return next(iter(parse_status(answers).values()), Counts())

    def select(
        self, raw: bytes, *, readonly: bool = True, since: bytes = b""
    ) -> Selected:
        """Open a folder; read-only (EXAMINE) unless flags shall change.

        Parameters
        ----------
        since
            The parameter that asks for changes too, such as ``(QRESYNC (1 9 1:5))``;
            `changes` then returns them.

        Raises
        ------
        FolderGone
            If the server does not have it, or no longer.
        """
        return self.open(raw, readonly=readonly, since=since)[0]

    def open(
        self,
        raw: bytes,
        *asks: Command,
        readonly: bool = True,
        since: bytes = b"",
    ) -> tuple[Selected, Heard]:
        """Open a folder as `select` does, and ask things of it in the same round trip.

        Parameters
        ----------
        asks
            `fetching`, `searching`: they name mails by UID, for the folder may be
            another one than the asker knew. Look at `Selected.uidvalidity` before
            the answers; if the folder cannot be opened they are thrown away.
        """
        verb = b"EXAMINE" if readonly else b"SELECT"
        opening = Command(verb, [quoted(raw), since] if since else [quoted(raw)])
        assert all(ask.uid for ask in asks), "numbers of another folder"
        self.selected, self._opened = None, Heard()
        imap = self.line.imap
        imap.is_readonly = readonly
        try:
            if opening.is_plain:
                self._opened, heard = self.line.together([opening], asks)
            else:
                self._opened = self._alone(opening)
                (heard,) = self.line.together(asks)
            self._opened.checked()
        except ServerRefused as error:
            imap.state = "AUTH"
            if error.code in STILL_THERE or self.broken:
                raise
            raise FolderGone("The folder is no longer on the server.") from error
        imap.state = "SELECTED"
        self.selected = read_selected(raw, self._opened)
        imap.is_readonly = readonly or self.selected.readonly
        return self.selected, heard

    def _alone(self, opening: Command) -> Heard:
        """Send what holds a literal: the server is waited for in the middle of it."""
        self.line.imap.untagged_responses = {}
        text = self.line.command(opening.name, list(opening.args))
        return Heard([("OK", text)], self.line.imap.untagged_responses)

    def remember(self, selected: Selected, uids: Sequence[int]) -> None:
        """Keep in mind which mails are the newest of a folder, newest first."""
        if len(self.recent) > MOST_REMEMBERED:
            self.recent.clear()
        following = max([selected.uidnext or 1, *(uid + 1 for uid in uids[:1])])
        self.recent[selected.raw] = Recent(selected.uidvalidity, uids, following)

    def enable_qresync(self) -> bool:
        """Have the server tell changes when a folder is opened (RFC 7162 3.2.3).

        It is asked once, while no folder is open (RFC 5161 3.1).
        """
        if not (self.has("QRESYNC") and self.has("ENABLE")):
            return False
        if not self._has_qresync:
            if self.selected and not self._unselect():
                return False
            self.line.command(b"ENABLE", [b"QRESYNC"])
            self._has_qresync = True
        return True

    def changes(self) -> tuple[Fetched, list[int]]:
        """Return what opening a folder told: flags by UID, and UIDs that are gone."""
        gone: list[int] = []
        for answer in self._opened.told("VANISHED"):
            if isinstance(answer, bytes):
                gone += uids_of(answer.split()[-1])
        return read_fetch(self._opened.told("FETCH")), gone

    def leave(self) -> None:
        """Close a folder that was opened to read only (RFC 3691, RFC 3501 6.4.2).

        A connection that waits in a folder makes some servers stumble when that is
        renamed or numbered anew meanwhile. Of one opened by SELECT the command would
        remove mails, so such a folder stays open.
        """
        if not (self.selected and self.line.imap.is_readonly):
            return
        try:
            self.line.command(b"UNSELECT" if self.has("UNSELECT") else b"CLOSE", [])
        except ServerRefused:
            if self.broken:
                raise
            return  # it stays open then; pymap refuses, and does not stumble
        self.line.imap.state = "AUTH"
        self.selected = None

    def _unselect(self) -> bool:
        """Close an open folder, which removes no mail (RFC 3691), if that can be."""
        if not self.has("UNSELECT"):
            return False
        self.line.command(b"UNSELECT", [])
        self.line.imap.state = "AUTH"
        self.selected = None
        return True

    # --- mails ----------------------------------------------------------------------

    def fetch(self, numbers: bytes, items: bytes, *, uid: bool = True) -> Fetched:
        """Fetch items of UIDs, or of sequence numbers; each mail is read on its own."""
        return fetched(self._heard(Command(b"FETCH", [numbers, items], uid)))

    def search(self, keys: Sequence[bytes], *, utf8: bool = False) -> list[int]:
        """Return the UIDs that match; name the charset only when a value needs it."""
        return found(self._heard(searching([*_charset(utf8), *keys])))

    def together(self, *commands: Command) -> Heard:
        """Send commands in one round trip; see `imap_wire` for what may go together."""
        return self.line.together(commands)[0]

    def _heard(self, command: Command) -> Heard:
        """Send one command and return what it brought."""
        if command.is_plain:
            return self.together(command).checked()
        self.line.imap.untagged_responses = {}
        text = self.line.command(command.name, list(command.args), uid=command.uid)
        return Heard([("OK", text)], self.line.imap.untagged_responses)

    def count(self, keys: Sequence[bytes], *, utf8: bool = False) -> int:
        """Return how many mails match, by ESEARCH (RFC 4731), which must be offered."""
        args = [b"RETURN (COUNT)", *_charset(utf8), *keys]
        answers = self._ask(b"SEARCH", args, "ESEARCH", uid=True)
        text = b" ".join(text for text in answers if isinstance(text, bytes))
        found = re.search(rb"\bCOUNT (\d+)", text, re.IGNORECASE)
        return int(found[1]) if found else 0

    def copy(self, uids: bytes, target: bytes) -> Placed | None:
        """Copy a UID set to a folder; says where they are now if the server does.

        Raises
        ------
        FolderGone
            If the server does not have that folder.
        """
        return self._place(b"COPY", uids, target)

    def move(self, uids: bytes, target: bytes) -> Placed | None:
        """Move a UID set (RFC 6851), which must be offered; else as `copy`."""
        return self._place(b"MOVE", uids, target)

    def _place(self, verb: bytes, uids: bytes, target: bytes) -> Placed | None:
        self.line.take("COPYUID")
        try:
            self.line.command(verb, [uids, quoted(target)], uid=True)
        except ServerRefused as error:
            if error.code not in {"TRYCREATE", "NONEXISTENT"}:
                raise
            raise FolderGone(TARGET_GONE) from error
        return parse_copyuid(self.line.take("COPYUID"))

    def append(
        self,
        target: bytes,
        octets: bytes,
        flags: Sequence[bytes] = (),
        received: datetime | None = None,
    ) -> tuple[int, int] | None:
        """Add a mail to a folder; returns UIDVALIDITY and UID if the server says them.

        Raises
        ------
        FolderGone
            If the server does not have that folder.
        """
        self.line.take("APPENDUID")
        try:
            self.line.append(quoted(target), octets, flags, received)
        except ServerRefused as error:
            if error.code not in {"TRYCREATE", "NONEXISTENT"}:
                raise
            raise FolderGone(TARGET_GONE) from error
        return parse_appenduid(self.line.take("APPENDUID"))

    def noop(self) -> None:
        """Ask for nothing: raises when the connection is dead."""
        self.line.command(b"NOOP", [])

    def close(self) -> None:
        """Say goodbye if the line still stands, and close it in any case."""
        self.line.close()


def _charset(utf8: bool) -> list[bytes]:
    return [b"CHARSET", b"UTF-8"] if utf8 else []
