"""Hostile and broken mail through the real pages: each costs one row, and no page."""

import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from werkzeug.test import TestResponse

from tests.conftest import ApiClient, PageClient
from tests.mailboxes import ugly
from tests.mailboxes.samples import mail, put
from tests.support.dovecot import PASSWORD, Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders, index_search, indexing, service
from webapp.mailboxes.models import IndexedMail

LOGIN = "ugly"
#: No page takes longer; a mail that is hard to read must not hold up who reads it.
#: Seconds of a processor, so that what else the machine does is not counted.
PAGE_SECONDS = 3.0


@pytest.fixture(scope="module")
def names(dovecot: Dovecot) -> list[str]:
    """The corpus is in a mailbox, an ordinary mail after it; UIDs are its places."""
    found = []
    for name, octets in ugly.corpus():
        put(dovecot, LOGIN, octets)
        found.append(name)
    put(dovecot, LOGIN, mail("Ada <ada@example.org>", "An ordinary mail", "Hello"))
    return [*found, "ordinary"]


@dataclass
class Inbox:
    """Where the corpus lies."""

    mailbox_id: int
    folder_id: int
    names: list[str]

    @property
    def path(self) -> str:
        return f"/triage/{self.mailbox_id}/{self.folder_id}"

    def each(self) -> Iterator[tuple[int, str]]:
        yield from enumerate(self.names, 1)


@pytest.fixture
def inbox(app: object, dovecot: Dovecot, names: list[str]) -> Inbox:
    """The corpus, connected."""
    del app
    box = service.create(
        name="Ugly",
        host=dovecot.host,
        port=dovecot.port,
        security="none",
        login=LOGIN,
        password=PASSWORD,
    )
    found = folders.fresh(box, force=True)[0]
    made = Inbox(box.id, found.id, names)
    db.session.rollback()
    return made


def worked() -> float:
    """Return the processor time of this process and its ended children, in seconds."""
    spent = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return sum(one.ru_utime + one.ru_stime for one in spent)


def timed(client: PageClient, path: str) -> tuple[TestResponse, float]:
    """Get a page; return it, and how many seconds of a processor that took."""
    began = worked()
    answer = client.get(path)
    return answer, worked() - began


def troubles(client: PageClient, paths: dict[str, str]) -> dict[str, str]:
    """Get pages; return what went wrong, by name."""
    wrong = {}
    for name, path in paths.items():
        answer, took = timed(client, path)
        text = answer.get_data().decode("utf-8", "replace")
        if answer.status_code != 200:
            wrong[name] = f"{answer.status_code}: {text[:300]}"
        elif took > PAGE_SECONDS:
            wrong[name] = f"{took:.1f} s"
        elif "This mail cannot be shown" in text:
            wrong[name] = "cannot be shown"
    return wrong


def rows_of(client: PageClient, inbox: Inbox) -> int:
    """Go through the pages of the list, each soon there; count the rows."""
    path, seen = inbox.path, 0
    while path:
        began = worked()
        page = client.get(path).get_data(as_text=True)
        assert worked() - began < PAGE_SECONDS
        seen += page.count('name="mails"')
        older = re.search(r'rel="next"\s+href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    return seen


def test_every_mail_has_its_row(client: PageClient, inbox: Inbox) -> None:
    assert rows_of(client, inbox) == len(inbox.names)


def test_a_row_among_hostile_ones_is_as_ever(client: PageClient, inbox: Inbox) -> None:
    page = client.get(inbox.path).get_data(as_text=True)
    assert "An ordinary mail" in page


def test_every_mail_opens(client: PageClient, inbox: Inbox) -> None:
    paths = {name: f"{inbox.path}/{uid}" for uid, name in inbox.each()}
    assert troubles(client, paths) == {}


def test_the_headers_of_the_largest_are_shown(client: PageClient, inbox: Inbox) -> None:
    paths = {
        name: f"{inbox.path}/{uid}?show=headers"
        for uid, name in inbox.each()
        if name in ugly.LARGE
    }
    assert len(paths) == len(ugly.LARGE)
    assert troubles(client, paths) == {}


def test_every_frame_opens(client: PageClient, inbox: Inbox) -> None:
    paths = {
        name: f"{inbox.path}/{uid}/frame"
        for uid, name in inbox.each()
        if "HTML" in name or "parts" in name or "levels" in name
    }
    assert len(paths) > 4
    assert troubles(client, paths) == {}


def test_every_source_is_to_be_had(client: PageClient, inbox: Inbox) -> None:
    sent = dict(ugly.corpus())
    wrong = []
    for uid, name in inbox.each():
        octets = client.get(f"{inbox.path}/{uid}/source").get_data()
        if name in sent and _lines(octets) != _lines(sent[name]):
            wrong.append(name)
    assert wrong == []


def _lines(octets: bytes) -> bytes:
    """Return octets with one kind of line end, and NUL as Dovecot keeps it."""
    octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return octets.replace(b"\0", b"\x80")


def test_every_mail_is_json(api: ApiClient, inbox: Inbox) -> None:
    base = f"/mailboxes/{inbox.mailbox_id}/folders/{inbox.folder_id}/mails"
    wrong = {}
    for uid, name in inbox.each():
        began = worked()
        answer = api.get(f"{base}/{uid}")
        took = worked() - began
        if answer.status_code != 200 or took > PAGE_SECONDS:
            wrong[name] = (answer.status_code, took)
    assert wrong == {}


def test_no_text_turns_a_line_or_writes_into_it(
    client: PageClient, inbox: Inbox
) -> None:
    for uid, name in inbox.each():
        if "turned" in name or "CR" in name or "controls" in name:
            page = client.get(f"{inbox.path}/{uid}").get_data(as_text=True)
            bad = [c for c in "\u202e\x00\x01\x02\x1b" if c in page]
            assert bad == [], name


def test_every_mail_is_indexed(inbox: Inbox) -> None:
    began = worked()
    assert sum(1 for _turn in iter(indexing.index_next, False)) < 50
    assert worked() - began < 10 * PAGE_SECONDS
    folder = folders.get(inbox.folder_id)
    assert index_search.is_whole(folder)
    rows = db.session.scalar(db.select(db.func.count(IndexedMail.id)))
    assert rows == len(inbox.names)
    troubled = db.select(db.func.count(IndexedMail.id)).where(IndexedMail.trouble != "")
    assert db.session.scalar(troubled) == 0
