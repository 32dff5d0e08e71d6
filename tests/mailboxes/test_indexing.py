"""The local index: filled in slices, searched and sorted, true to the server."""

import itertools
from collections.abc import Callable
from datetime import date
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.conftest import ApiClient
from tests.mailboxes.samples import mail, put
from tests.support.dovecot import Dovecot
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import (
    browsing,
    conversations,
    folders,
    index_rows,
    index_search,
    indexing,
    mails,
    query_text,
)
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import Unreachable
from webapp.mailboxes.index_conditions import NotIndexed
from webapp.mailboxes.index_search import Asked, Sort
from webapp.mailboxes.models import Folder, IndexedMail, Mailbox

Index = Callable[[], None]
PEOPLE = ("Ada Byrne", "Priya Raman", "Ólafur Þórsson", "Zoë Brontë", "王芳")
TOPICS = ("Membership", "Re: Membership", "Größe", '50 % "off" \\o/', "日本語", "a_b")


def letter(n: int) -> EmailMessage:
    name = PEOPLE[n % len(PEOPLE)]
    one = mail(f"{name} <p{n}@example.com>", TOPICS[n % len(TOPICS)], "x" * n, n)
    del one["Date"]
    one["Date"] = f"{1 + n % 27:02d} Mar 2026 12:00:00 +0000"
    if n % 3 == 0:
        one["Cc"] = "Team <team@example.org>"
    return one


@pytest.fixture
def inbox(mailbox: Mailbox, dovecot: Dovecot, login: str) -> Folder:
    """A folder of forty mails."""
    put(dovecot, login, *(letter(n) for n in range(40)))
    return refreshed(mailbox)


def refreshed(mailbox: Mailbox) -> Folder:
    found = folders.fresh(mailbox, force=True)[0]
    db.session.commit()
    return found


@pytest.fixture
def index(inbox: Folder) -> Index:
    """Return what fills the index as a worker does."""

    def fill() -> None:
        assert sum(1 for _turn in iter(indexing.index_next, False)) < 50
        db.session.rollback()
        db.session.refresh(inbox)

    return fill


def uids(folder: Folder, text: str, **more: Any) -> list[int]:
    page, _next = index_search.page(folder, Asked(query_text.parse(text), **more))
    return [row.uid for row in page.rows]


def on_the_server(folder: Folder, text: str) -> list[int]:
    with folders.opened(folder) as (connection, raw):
        found = browsing.matching_uids(connection, raw, query_text.parse(text))
    return sorted(found, reverse=True)


def test_every_mail_is_indexed_once(
    inbox: Folder, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "SLICE", 7)
    assert not index_search.is_whole(inbox)
    index()
    assert index_search.is_whole(inbox)
    found = sorted(db.session.scalars(db.select(IndexedMail.uid)))
    assert found == list(range(1, 41))


def test_it_goes_on_where_it_was_cut_off(
    inbox: Folder, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "SLICE", 10)
    turn = indexing.take()
    assert turn is not None
    seconds = itertools.count()  # a slice takes one
    with monkeypatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: next(seconds))
        patch.setattr(indexing, "time", clock)
        indexing.fill(turn, 1.5)
    db.session.refresh(inbox)
    assert (inbox.indexed_low, inbox.indexed_high) == (31, 40)
    index()
    assert index_search.is_whole(inbox)
    assert db.session.scalar(db.select(db.func.count(IndexedMail.id))) == 40


def test_new_mails_join(
    inbox: Folder, index: Index, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    index()
    put(dovecot, login, letter(77))
    refreshed(mailbox)
    db.session.refresh(inbox)
    assert not index_search.is_whole(inbox)
    index()
    assert index_search.is_whole(inbox)
    assert uids(inbox, "from:p77@") == [41]


def test_one_process_at_a_time(inbox: Folder) -> None:
    assert inbox.id
    db.session.commit()
    assert indexing.take() is not None
    assert indexing.take() is None


def test_another_numbering_begins_anew(
    inbox: Folder, index: Index, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    index()
    client = dovecot.client(login)
    client.create("Other")
    client.rename("INBOX", "Old")
    client.append("INBOX", "", "", letter(5).as_bytes())
    client.logout()
    for list_file in (dovecot.home / "mail" / login).glob("dovecot-uidlist"):
        text = list_file.read_text()
        list_file.write_text(text.replace("3 V", "3 V9", 1))
    refreshed(mailbox)
    db.session.refresh(inbox)
    index()
    validities = set(
        db.session.scalars(
            db.select(IndexedMail.uidvalidity).where(IndexedMail.folder_id == inbox.id)
        )
    )
    assert validities == {inbox.uidvalidity}


def test_a_mail_that_breaks_the_connection_is_set_aside(
    inbox: Folder, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Connection.fetch

    def breaks(self: Connection, numbers: bytes, items: bytes, **more: bool) -> Any:
        asked = [part.split(b":") for part in numbers.split(b",")]
        if any(int(one[0]) <= 13 <= int(one[-1]) for one in asked):
            self.line.broken = True
            raise Unreachable("The answer of the mail server could not be understood.")
        return fetch(self, numbers, items, **more)

    monkeypatch.setattr(Connection, "fetch", breaks)
    index()
    assert index_search.is_whole(inbox)
    troubled = db.session.scalars(
        db.select(IndexedMail.uid).where(IndexedMail.trouble != "")
    )
    assert list(troubled) == [13]
    assert db.session.scalar(db.select(db.func.count(IndexedMail.id))) == 40


@pytest.mark.parametrize(
    "text",
    [
        "from:ada",
        "from:ADA",
        "from:þórs",
        "subject:größe",
        'subject:"50 %"',
        "subject:_",
        "subject:日本",
        "cc:team -from:priya",
        "to:nobody",
        "(from:ada OR from:priya) subject:member",
        "larger:300 subject:re",
        "ada",
        "sent-since:2026-03-10 sent-before:2026-03-20",
        "uid:3,7:9",
        "uid:30:*",
        "-subject:membership",
        'subject:"\\""',
        "subject:\\\\",
    ],
)
def test_the_index_finds_what_the_server_finds(
    inbox: Folder, index: Index, text: str
) -> None:
    index()
    assert uids(inbox, text) == on_the_server(inbox, text)


def test_days_are_the_operators(inbox: Folder, index: Index) -> None:
    index()
    for zone in ("America/Los_Angeles", "Pacific/Auckland"):
        today = now().astimezone(ZoneInfo(zone)).date()
        for text in ("sent-on:2026-03-12", f"since:{today}", f"-on:{today}"):
            query = query_text.parse(text, zone)
            page, _next = index_search.page(inbox, Asked(query))
            with folders.opened(inbox) as (connection, raw):
                found = browsing.matching_uids(connection, raw, query)
            assert [row.uid for row in page.rows] == sorted(found, reverse=True)
            assert found or "sent" not in text


def test_generated_texts(inbox: Folder, index: Index) -> None:
    index()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        key=st.sampled_from(["from", "subject", "to"]),
        needle=st.sampled_from("".join(PEOPLE + TOPICS).split()).flatmap(
            lambda word: st.integers(0, len(word) - 1).map(lambda at: word[at:])
        ),
        negated=st.booleans(),
    )
    def same(key: str, needle: str, *, negated: bool) -> None:
        assume(key == "subject" or not set('"\\') & set(needle))
        escaped = needle.replace("\\", "\\\\").replace('"', '\\"')
        text = f'{"-" if negated else ""}{key}:"{escaped}"'
        assert uids(inbox, text) == on_the_server(inbox, text)

    same()


def test_flags_beside_it_are_the_servers(
    inbox: Folder, index: Index, dovecot: Dovecot, login: str
) -> None:
    index()
    client = dovecot.client(login)
    client.select("INBOX")
    client.uid("STORE", "1:20", "+FLAGS", "(\\Seen)")
    client.logout()
    assert uids(inbox, "from:ada is:unread") == on_the_server(
        inbox, "from:ada is:unread"
    )


def test_bodies_are_not_for_the_index(inbox: Folder, index: Index) -> None:
    index()
    with pytest.raises(NotIndexed):
        uids(inbox, "body:x")
    with pytest.raises(NotIndexed):
        uids(inbox, "from:ada OR is:unread")
    assert len(mails.listed(inbox, "body:xxx").rows) > 10


def test_orders(inbox: Folder, index: Index) -> None:
    index()
    sizes = [
        row.size
        for row in index_search.page(inbox, Asked(query_text.parse(""), Sort.SIZE))[
            0
        ].rows
    ]
    assert sizes == sorted(sizes, key=lambda size: size or 0, reverse=True)
    page, following = mails.in_order(inbox, "", Sort.SENDER, limit=15)
    again, _end = mails.in_order(inbox, "", Sort.SENDER, skip=following or 0)
    names = [row.headers.text("from").casefold() for row in [*page.rows, *again.rows]]
    assert len(names) == 40
    assert names == sorted(names)


def test_a_mail_that_is_gone_is_forgotten(
    inbox: Folder, index: Index, dovecot: Dovecot, login: str
) -> None:
    index()
    client = dovecot.client(login)
    client.select("INBOX")
    client.uid("STORE", "6", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()
    assert 6 not in uids(inbox, "from:ada")
    gone = db.session.scalar(db.select(IndexedMail.id).where(IndexedMail.uid == 6))
    assert gone is None


@pytest.mark.parametrize("order", ["parent first", "child first"])
def test_conversations(  # noqa: PLR0917 - fixtures are arguments
    inbox: Folder,
    index: Index,
    mailbox: Mailbox,
    dovecot: Dovecot,
    login: str,
    order: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexing, "SLICE", 1)
    first, second, third, other = (letter(n) for n in (50, 51, 52, 53))
    for one, name in ((first, "a"), (second, "b"), (third, "c"), (other, "d")):
        del one["Message-ID"]
        one["Message-ID"] = f"<{name}@example.com>"
    second["In-Reply-To"] = "<a@example.com>"
    third["In-Reply-To"] = "<b@example.com>"
    some = [first, second, third, other]
    put(dovecot, login, *(some if order == "parent first" else some[::-1]))
    refreshed(mailbox)
    index()
    found = conversations.of_thread(mailbox.id, "<b@example.com>")
    assert {one.message_id for one in found} == {
        "<a@example.com>",
        "<b@example.com>",
        "<c@example.com>",
    }


def test_the_page_before_a_day(
    inbox: Folder,
    index: Index,
    dovecot: Dovecot,
    login: str,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = dovecot.client(login)
    client.create("Dated")
    for n in range(1, 21):
        stamp = f'"{n:02d}-Mar-2026 12:00:00 +0000"'
        client.append("Dated", "", stamp, letter(n).as_bytes())
    client.logout()
    refreshed(mailbox)
    dated = next(one for one in folders.known(mailbox.id) if one.name == "Dated")
    wanted = date(2026, 3, 11)
    assert mails.before(dated, wanted) == 11
    in_auckland(monkeypatch)
    assert mails.before(dated, wanted) == 10
    monkeypatch.undo()
    index()
    db.session.refresh(dated)
    assert index_search.is_whole(dated)
    assert mails.before(dated, wanted) == 11
    in_auckland(monkeypatch)
    assert mails.before(dated, wanted) == 10
    assert inbox.id


def in_auckland(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the operator live where the mails of noon arrived after midnight."""
    monkeypatch.setattr(mails, "zone", lambda: ZoneInfo("Pacific/Auckland"))


def test_the_api_sorts(api: ApiClient, inbox: Folder, index: Index) -> None:
    path = f"/mailboxes/{inbox.mailbox_id}/folders/{inbox.id}/mails"
    db.session.commit()
    early = api.get(f"{path}?sort=subject")
    assert early.status_code == 409
    index()
    db.session.commit()
    seen: list[str] = []
    cursor = ""
    for _page in range(5):
        answer = api.get(
            f"{path}?sort=subject&fields=subject&limit=15&cursor={cursor}"
        ).get_json()
        seen += [one["subject"] for one in answer["items"]]
        cursor = answer["next"]
        if not cursor:
            break
    topics = [index_rows.topic_of(subject) for subject in seen]
    assert len(topics) == 40
    assert topics == sorted(topics)
    assert api.get(f"{path}?sort=colour").status_code == 422
