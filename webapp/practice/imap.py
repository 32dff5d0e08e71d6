"""The practice IMAP server: pymap's in-memory mailbox, with a journal below it.

Traps of pymap 0.36 that we walk around: it hashes the password for a second at each
login, forgets everything at the end, keeps ten times a mail's size of parsed lines in
memory, takes hostile mails apart without any cap, drops keywords that STORE sets, takes
a date without zone for an appended mail, and asks the resolver for this machine's name
at each greeting. It has no public way to fill a mailbox anew, so some of its private
attributes are set here and nowhere else.
"""

import asyncio
import re
from argparse import Namespace
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from socket import socket

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import (
    LoadedMessage,
    MailboxData,
    MailboxSet,
    Message,
)
from pymap.exceptions import NotAllowedError
from pymap.flags import FlagOp
from pymap.imap import IMAPServer
from pymap.interfaces.message import CachedMessage
from pymap.mailbox import MailboxSnapshot
from pymap.mime import MessageBody, MessageContent, MessageHeader
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement, ObjectId
from pymap.parsing.specials.flag import Flag, Wildcard
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from webapp.core import clock
from webapp.core.practice import Access
from webapp.practice.journal import Journal, KeptFolder, MailHead

INBOX = "INBOX"
FOLDERS = (INBOX, "Archive", "Drafts", "Junk", "Sent", "Trash")
MAX_FOLDERS = 100
MAX_MAILS = 10_000
MAX_BYTES = 500_000_000
MAX_MAIL_BYTES = 25_000_000
MOST_NESTED = 50
LONGEST_HEAD = 64 * 1024
MOST_DELIMITERS = 1000
_NESTS = re.compile(rb"boundary\s{0,5}=|message/rfc822", re.IGNORECASE)


class KeptMessage(Message):
    """A mail whose source is in the journal, read and parsed when it is asked for."""

    __slots__ = ["_folder", "_journal", "size"]

    def __init__(
        self,
        mailbox: "KeptMailbox",
        mail: MailHead,
        *,
        recent: bool = False,
        expunged: bool = False,
    ) -> None:
        super().__init__(
            mail.uid,
            mail.received,
            [Flag(flag) for flag in mail.flags],
            email_id=ObjectId.random_email_id(),
            thread_id=ObjectId.random_thread_id(),
            recent=recent,
            expunged=expunged,
        )
        self.size = mail.size
        self._journal = mailbox.journal
        self._folder = mailbox.number

    async def load_content(self, requirement: FetchRequirement) -> LoadedMessage:
        """Read as much of the mail as a command needs."""
        if not requirement & FetchRequirement.CONTENT:
            return LoadedMessage(self, requirement, None)
        source = self._journal.source(self._folder, self.uid)
        if not requirement & FetchRequirement.BODY:
            source = source.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return LoadedMessage(self, requirement, _content(source))


def _content(source: bytes) -> MessageContent:
    """Take a mail apart; a hostile one stays in one piece.

    pymap's parser has no caps: 2 000 levels end in a RecursionError that costs the
    connection, 100 000 parts in half a minute in which nobody else is served, and so do
    20 000 parameters.
    """
    if not _is_hostile(source):
        return MessageContent.parse(source)
    view, end = memoryview(source), len(source)
    at = source.find(b"\r\n\r\n")
    start = end if at < 0 else at + len(b"\r\n\r\n")
    head = list(MessageContent._find_lines(source[: min(start, LONGEST_HEAD)]))
    if start > LONGEST_HEAD:  # what follows hangs on the last line
        head[-1] = (head[-1][0], start, start)
    header = MessageHeader._parse(source, view, head)
    body = MessageBody._parse(source, view, [(start, end, end)], None)
    return MessageContent(source, header, body)


def _is_hostile(source: bytes) -> bool:
    """Say whether a mail has more of anything than one of a person has."""
    nesting = islice(_NESTS.finditer(source), MOST_NESTED + 1)
    head = source[: 2 * LONGEST_HEAD].partition(b"\r\n\r\n")[0]
    return (
        len(head) > LONGEST_HEAD
        or source.count(b"\n--") > MOST_DELIMITERS
        or head.count(b";") > MOST_DELIMITERS
        or len(list(nesting)) > MOST_NESTED
    )


class KeptMailbox(MailboxData):
    """A folder whose mails and flags are in the journal; its oldest mails give way."""

    def __init__(self, owner: MailboxSet, journal: Journal, kept: KeptFolder) -> None:
        super().__init__(owner._content_cache, owner._thread_cache)
        self.number = kept.number
        self.journal = journal
        self._uid_validity = kept.uid_validity
        self._max_uid = kept.last_uid
        self._octets = 0
        for mail in journal.heads(kept.number):
            self._messages[mail.uid] = KeptMessage(self, mail)
            self._octets += mail.size
        self._mod_sequences.update(list(self._messages))

    @property
    def permanent_flags(self) -> frozenset[Flag]:
        """The system flags, and any keyword a client makes up."""
        return super().permanent_flags | {Wildcard}

    async def receive(self, source: bytes) -> None:
        """Take in a new mail, as a mail server does after a delivery."""
        somebody_looks = self.selected_set.any_selected is not None
        await self.append(AppendMessage(source), recent=not somebody_looks)

    async def append(
        self, append_msg: AppendMessage, *, recent: bool = False
    ) -> Message:
        """Add a mail, and let the oldest go where there is no room."""
        flags = frozenset(str(flag) for flag in append_msg.flag_set)
        when = append_msg.when or clock.now()
        return await self._add(append_msg.literal, (when, flags), recent=recent)

    async def copy(
        self, uid: int, destination: MailboxData, *, recent: bool = False
    ) -> int | None:
        """Copy a mail to another folder."""
        assert isinstance(destination, KeptMailbox)
        message = self._messages.get(uid)
        if message is None:
            return None
        source = self.journal.source(self.number, uid)
        flags = frozenset(str(flag) for flag in message.permanent_flags)
        copied = await destination._add(
            source, (message.internal_date, flags), recent=recent
        )
        return copied.uid

    async def move(
        self, uid: int, destination: MailboxData, *, recent: bool = False
    ) -> int | None:
        """Move a mail to another folder."""
        new_uid = await self.copy(uid, destination, recent=recent)
        if new_uid is not None:
            await self.delete([uid])
        return new_uid

    async def get(self, uid: int, cached_msg: CachedMessage) -> Message:
        """Return a mail, or what is remembered of one that is gone."""
        found = self._messages.get(uid)
        if found is not None:
            return found
        head = MailHead(uid, clock.now(), frozenset(), size=0)
        return KeptMessage(self, head, expunged=True)

    async def update(
        self,
        uid: int,
        cached_msg: CachedMessage,
        flag_set: frozenset[Flag],
        mode: FlagOp,
    ) -> Message:
        """Change the flags of a mail."""
        message = await super().update(uid, cached_msg, flag_set, mode)
        self.journal.flag(self.number, uid, map(str, message.permanent_flags))
        return message

    async def delete(self, uids: Iterable[int]) -> None:
        """Remove mails for good."""
        gone = [uid for uid in uids if uid in self._messages]
        for uid in gone:
            message = self._messages[uid]
            assert isinstance(message, KeptMessage)
            self._octets -= message.size
        await super().delete(gone)
        self.journal.drop(self.number, gone)

    async def _add(
        self,
        source: bytes,
        seen: tuple[datetime, frozenset[str]],
        *,
        recent: bool,
    ) -> KeptMessage:
        """Put a mail at the end of this folder, on disk first."""
        async with self.messages_lock.write_lock():
            self._max_uid = uid = self._max_uid + 1
            mail = MailHead(uid, *seen, size=len(source))
            self.journal.add(self.number, mail, source)
            message = KeptMessage(self, mail, recent=recent)
            self._messages[uid] = message
            self._mod_sequences.update([uid])
            self._octets += mail.size
            self._updated.set()
        while len(self._messages) > MAX_MAILS or self._octets > MAX_BYTES:
            await self.delete([next(iter(self._messages))])
        return message


class KeptMailboxSet(MailboxSet):
    """All folders of the practice mailbox, as the journal has them."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        kept = journal.folders() or [self._new_folder(name) for name in FOLDERS]
        mailboxes = {folder.name: KeptMailbox(self, journal, folder) for folder in kept}
        self.inbox = self._inbox = mailboxes.pop(INBOX)
        self._set.update(mailboxes)

    def _new_folder(self, name: str) -> KeptFolder:
        validity = MailboxSnapshot.new_uid_validity()
        number = self._journal.add_folder(name, validity, last_uid=0)
        return KeptFolder(number, name, validity, last_uid=0)

    async def add_mailbox(self, name: str) -> ObjectId:
        """Create a folder."""
        if name in self._set:
            raise ValueError(name)
        if len(self._set) >= MAX_FOLDERS:
            raise NotAllowedError("The practice mailbox has too many folders.")
        mailbox = KeptMailbox(self, self._journal, self._new_folder(name))
        self._set[name] = mailbox
        return mailbox.mailbox_id

    async def delete_mailbox(self, name: str) -> None:
        """Delete a folder with its mails."""
        mailbox = self._set.get(name)
        await super().delete_mailbox(name)
        assert isinstance(mailbox, KeptMailbox)
        self._journal.drop_folder(mailbox.number)

    async def rename_mailbox(self, before: str, after: str) -> None:
        """Rename a folder and what is below it; INBOX stays what it is."""
        if before.upper() == INBOX:
            raise NotAllowedError("INBOX of the practice mailbox cannot be renamed.")
        await super().rename_mailbox(before, after)
        for name, mailbox in self._set.items():
            assert isinstance(mailbox, KeptMailbox)
            self._journal.rename_folder(mailbox.number, name)


class PracticeConfig(Config):
    """pymap's settings for one account on loopback."""

    @property
    def greeting(self) -> bytes:
        """What a client reads first."""
        return b"Postroom practice mailbox ready"


async def open_account(access: Access, journal: Journal) -> "Account":
    """Make the one account of the practice server, filled from the journal."""
    config = PracticeConfig(
        Namespace(passlib_cfg=None, proxy_protocol=None),
        host=None,
        port=0,
        tls_enabled=False,  # the socket listens on loopback only
        hash_context=Cleartext(),
        max_append_len=MAX_MAIL_BYTES,
        demo_data=False,
        demo_user=access.login,
        demo_password=access.password,
    )
    config.apply_context()
    login = Login(config)
    await login.demo_user_identity.set(
        UserMetadata(config, access.login, password=access.password)
    )
    folders = KeptMailboxSet(journal)
    config.set_cache[access.login] = (folders, FilterSet())
    return Account(config, login, folders)


class Account:
    """The practice mailbox behind its IMAP server."""

    def __init__(
        self, config: PracticeConfig, login: Login, folders: KeptMailboxSet
    ) -> None:
        self._config = config
        self._login = login
        self.inbox = folders.inbox

    async def listen(self, listener: socket) -> asyncio.Server:
        """Serve IMAP on a listening socket."""
        reader = ProxyProtocolReader(self._config.proxy_protocol)
        return await asyncio.start_server(
            reader.get_callback(IMAPServer(self._login, self._config)), sock=listener
        )
