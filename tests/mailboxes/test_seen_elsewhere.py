"""Another client, connected all the time, sees exactly the changes, and no other."""

import imaplib
import re
from collections.abc import Callable, Iterator

import pytest

from tests.mailboxes.samples import mail
from tests.support.dovecot import PASSWORD, Dovecot
from webapp.core.db import db
from webapp.mailboxes import filing, folders, mails, service
from webapp.mailboxes.filing import Choice
from webapp.mailboxes.models import Folder, Mailbox
from webapp.triage import acting

NAMES = ("INBOX", "Kept", "Archive", "Trash")
Seen = dict[str, dict[str, str]]


class Other:
    """Plain imaplib, connected before anything happens."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self.client = client

    def sees(self) -> Seen:
        r"""Return flags by subject of each folder, \Recent aside."""
        return {name: self._folder(name) for name in NAMES}

    def _folder(self, name: str) -> dict[str, str]:
        if self.client.select(name, readonly=True)[0] != "OK":
            return {}
        _ok, found = self.client.uid(
            "FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        )
        seen = {}
        for one in found:
            if isinstance(one, tuple):
                flags = re.search(rb"FLAGS \((.*?)\)", one[0])
                text = flags[1].decode() if flags else "?"
                subject = one[1].decode().removeprefix("Subject:").strip()
                seen[subject] = text.replace("\\Recent", "").strip()
        return seen


@pytest.fixture
def other(any_dovecot: Dovecot, login: str) -> Iterator[Other]:
    """The other client, of an account with four mails."""
    client = any_dovecot.client(login)
    for name in NAMES[1:]:
        client.create(name)
    for n in range(1, 5):
        octets = mail("Ada <ada@example.com>", f"Mail {n}", "Body", n).as_bytes()
        client.append("INBOX", "\\Answered" if n == 4 else "", "", octets)
    yield Other(client)
    client.logout()


@pytest.fixture
def inbox(app: object, any_dovecot: Dovecot, login: str, other: Other) -> Folder:
    """The inbox as we know it; a folder is named for each role."""
    del app, other
    box: Mailbox = service.create(
        name="Both",
        host=any_dovecot.host,
        port=any_dovecot.port,
        security="none",
        login=login,
        password=PASSWORD,
        folder_map={"archive": "Archive", "trash": "Trash"},
    )
    found = next(f for f in folders.fresh(box, force=True) if f.role == "inbox")
    db.session.commit()
    return found


START: Seen = {
    "INBOX": {"Mail 1": "", "Mail 2": "", "Mail 3": "", "Mail 4": "\\Answered"},
    "Kept": {},
    "Archive": {},
    "Trash": {},
}


def after(*, there: str = "", is_moved: bool = True) -> Seen:
    """Return what is seen when mail 2 went to a folder, by a full or a poor server."""
    seen = {name: dict(mails) for name, mails in START.items()}
    if is_moved:
        del seen["INBOX"]["Mail 2"]
    else:
        seen["INBOX"]["Mail 2"] = "\\Deleted"
    if there:
        seen[there]["Mail 2"] = ""
    return seen


def is_rich(server: Dovecot, login: str) -> bool:
    client = server.client(login)
    _ok, told = client.capability()
    client.logout()
    return b"UIDPLUS" in told[0]


TWO = Choice((2,))


def kept(inbox: Folder) -> Folder:
    return next(f for f in folders.known(inbox.mailbox_id) if f.name == "Kept")


LEAVING: dict[str, tuple[Callable[[Folder], object], str]] = {
    "move": (lambda i: filing.move(i, TWO, kept(i)), "Kept"),
    "archive": (lambda i: filing.archive(i, TWO), "Archive"),
    "delete": (lambda i: filing.delete(i, TWO), "Trash"),
    "delete for good": (lambda i: filing.delete(i, TWO, for_good=True), ""),
}


@pytest.mark.parametrize("act", LEAVING)
def test_one_mail_leaves(
    any_dovecot: Dovecot, login: str, other: Other, inbox: Folder, act: str
) -> None:
    assert other.sees() == START
    work, there = LEAVING[act]
    work(inbox)
    is_moved = is_rich(any_dovecot, login)
    assert other.sees() == after(there=there, is_moved=is_moved)


def test_reading_changes_nothing(other: Other, inbox: Folder) -> None:
    mails.listed(inbox)
    mails.listed(inbox, "body:Body")
    mails.open_one(inbox, 2)
    mails.source(inbox, 3).close()
    assert other.sees() == START


def test_a_copy(other: Other, inbox: Folder) -> None:
    filing.copy(inbox, Choice((4,)), kept(inbox))
    assert other.sees() == {**START, "Kept": {"Mail 4": "\\Answered"}}


def test_flags_and_keywords_and_the_way_back(other: Other, inbox: Folder) -> None:
    changed = filing.change_flags(inbox, Choice((1, 4)), add=["seen", "answered"])
    mine = {"Mail 1": {"\\Seen", "\\Answered"}, "Mail 4": {"\\Answered", "\\Seen"}}
    seen = {name: set(flags.split()) for name, flags in other.sees()["INBOX"].items()}
    assert seen == {"Mail 2": set(), "Mail 3": set(), **mine}
    filing.change_flags(inbox, Choice(tuple(changed)), remove=["seen"])
    filing.change_flags(inbox, Choice((1,)), remove=["answered"], add=["todo"])
    inbox_now = {**START["INBOX"], "Mail 1": "todo"}
    assert other.sees() == {**START, "INBOX": inbox_now}


def test_an_appended_mail(other: Other, inbox: Folder) -> None:
    octets = mail("Ada <ada@example.com>", "A draft", "Body", 9).as_bytes()
    filing.append(kept(inbox), octets, ["draft"])
    assert other.sees() == {**START, "Kept": {"A draft": "\\Draft"}}


@pytest.mark.parametrize("act", ["archive", "delete", "flag", "read"])
def test_an_undo_leaves_nothing_behind(
    any_dovecot: Dovecot, login: str, other: Other, inbox: Folder, act: str
) -> None:
    word = f"{inbox.id}.{inbox.uidvalidity}.2"
    db.session.commit()
    done = acting.change([word], act)
    assert done.count == 1
    assert other.sees() != START
    if done.undo:
        acting.change(done.words.split(), done.undo)
        assert other.sees() == START
    else:  # it was marked as deleted and cannot be taken out: nothing is promised
        assert act in {"archive", "delete"}
        assert not is_rich(any_dovecot, login)
