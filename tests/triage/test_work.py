"""What people do about mails: who has it, is it done, later, labelled, noted."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import flags_of, put
from tests.support.dovecot import Dovecot, free_port
from tests.triage.answering import person
from tests.triage.conftest import Receive
from webapp.campaigns.models import Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.kinds import MailState
from webapp.mailboxes.models import Mail, Mailbox
from webapp.operators import service as operators
from webapp.operators.models import AuditEntry, Operator, Role
from webapp.triage import labels, receiving, work, work_views

Send = Callable[[str], Message]


def listed(client: PageClient, view: str, **more: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in more.items())
    answer = client.get(f"/triage?view={view}&{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def subjects(page: str) -> list[str]:
    return re.findall(r'class="what clip"><bdi>([^<]*)<', page)


def words(page: str) -> list[str]:
    return re.findall(r'type="checkbox"\s+name="mails"\s+value="([^"]+)"', page)


def undo(client: PageClient, view: str) -> None:
    """Press Undo in the toast of the next page."""
    page = listed(client, view)
    form = page[page.index('class="toasts"') :]
    pairs = re.findall(r'name="(do|was|back)"\s+value="([^"]*)"', form)
    assert pairs
    client.submit("/triage/work", dict(pairs))


@pytest.fixture
def replies(send: Send, receive: Receive) -> list[str]:
    """Three replies, the oldest first."""
    names = ["ada", "kofi", "zoe"]
    for name in names:
        message = send(f"{name}@example.org")
        address, answers = message.address, message.message_id_header
        db.session.rollback()
        receive(person(address, f"Re: {name}", "Thank you", answers))
    return names


def test_the_views_show_what_came_back(client: PageClient, replies: list[str]) -> None:
    page = listed(client, "replies")
    assert sorted(subjects(page)) == sorted(f"Re: {name}" for name in replies)
    assert subjects(listed(client, "bounces")) == []
    assert "Nothing to do here" in listed(client, "bounces")
    assert len(subjects(listed(client, "unassigned"))) == 3
    assert re.search(r'Replies<span class="count">3<', page)


def test_done_leaves_the_view_and_comes_back_by_undo(
    client: PageClient,
    replies: list[str],
    dovecot: Dovecot,
    login: str,
) -> None:
    del replies
    before = flags_of(dovecot, login)
    chosen = words(listed(client, "replies"))[:2]
    client.submit(
        "/triage/work", {"mails": chosen, "do": "done", "back": "/triage?view=done"}
    )
    page = listed(client, "done")
    assert "2 done." in page
    assert sorted(words(page)) == sorted(chosen)
    assert len(words(listed(client, "replies"))) == 1
    client.submit("/triage/work", {"mails": chosen[0], "do": "reopen"})
    undo(client, "done")
    assert len(words(listed(client, "done"))) == 2
    assert flags_of(dovecot, login) == before


def test_assign_to_me_and_to_nobody(client: PageClient, replies: list[str]) -> None:
    del replies
    one = words(listed(client, "replies"))[0]
    client.submit("/triage/work", {"mails": one, "do": "mine"})
    assert words(listed(client, "mine")) == [one]
    assert len(words(listed(client, "unassigned"))) == 2
    client.submit("/triage/work", {"mails": one, "do": "assign", "to": "nobody"})
    undo(client, "mine")
    assert words(listed(client, "mine")) == [one]


def test_a_snoozed_mail_comes_back_by_itself(
    client: PageClient, replies: list[str]
) -> None:
    del replies
    one = words(listed(client, "replies"))[0]
    client.submit("/triage/work", {"mails": one, "do": "snooze", "until": "tomorrow"})
    assert one not in words(listed(client, "replies"))
    assert words(listed(client, "snoozed")) == [one]
    db.session.query(Mail).update({"snoozed_until": now() - timedelta(seconds=1)})
    db.session.commit()
    assert one in words(listed(client, "replies"))
    assert words(listed(client, "snoozed")) == []


@pytest.mark.parametrize(
    "data",
    [
        {"do": "snooze", "day": "2001-01-01"},
        {"do": "snooze", "until": "never"},
        {"do": "label", "label": ""},
        {"do": "explode"},
        {"do": "assign", "to": "4000"},
        {"do": "restore", "was": "nonsense"},
    ],
)
def test_what_cannot_be_done_changes_nothing(
    client: PageClient, replies: list[str], data: dict[str, str]
) -> None:
    del replies
    one = words(listed(client, "replies"))[0]
    client.submit("/triage/work", {"mails": one, **data})
    page = listed(client, "unassigned")
    assert 'class="toast"' in page
    assert len(words(page)) == 3


def test_several_labels_and_a_view_for_each(
    client: PageClient, replies: list[str]
) -> None:
    del replies
    urgent, card = labels.create("Urgent", "failed").id, labels.create("Card").id
    first, second, _third = words(listed(client, "replies"))
    for label_id, chosen in ((urgent, [first, second]), (card, [first])):
        data = {"mails": chosen, "do": "label", "label": str(label_id)}
        client.submit("/triage/work", data)
    assert len(words(listed(client, "labelled", label=str(urgent)))) == 2
    page = listed(client, "replies", label=str(card))
    assert words(page) == [first]
    assert page.count("<bdi>Urgent</bdi>") > 1
    data = {"mails": first, "do": "unlabel", "label": str(card)}
    client.submit("/triage/work", data)
    assert labels.having([mail.id for mail in db.session.query(Mail)], card) == set()
    db.session.rollback()
    undo(client, "replies")
    assert words(listed(client, "labelled", label=str(card))) == [first]


def test_a_note_has_its_author(client: PageClient, replies: list[str]) -> None:
    del replies
    page = listed(client, "replies")
    one = words(page)[0]
    data = {"mails": one, "text": "Called her, <b>all well</b>"}
    client.submit("/triage/note", data)
    link = re.search(r'href="(/triage/\d+/\d+/\d+\?[^"]*)"', page)
    assert link
    shown = client.get(link[1].replace("&amp;", "&")).get_data(as_text=True)
    assert "Called her, &lt;b&gt;all well" in shown
    assert "<b><bdi>Ines" in shown


def test_older_pages_have_each_mail_once(api: ApiClient, replies: list[str]) -> None:
    for view in ("replies", "all"):
        found, cursor = [], ""
        while True:
            path = f"/triage/mails?view={view}&limit=1&cursor={cursor}"
            page = api.get(path).get_json()
            found += [one["subject"] for one in page["items"]]
            if not page["next"]:
                break
            cursor = page["next"]
        assert found == [f"Re: {name}" for name in reversed(replies)]


@pytest.mark.parametrize("view", ["replies", "all"])
def test_a_foreign_cursor_is_refused(
    api: ApiClient, replies: list[str], view: str
) -> None:
    del replies
    answer = api.get(f"/triage/mails?view={view}&cursor=WyJ4IiwxXQ")
    assert answer.status_code == 422


def test_a_mail_that_no_sync_has_seen_gets_its_row_and_is_sorted_later(
    client: PageClient,
    mailbox: Mailbox,
    send: Send,
    dovecot: Dovecot,
    login: str,
) -> None:
    mailbox_id = mailbox.id
    mailbox.connected_at = now() - timedelta(hours=1)
    message = send("ada@example.org")
    mail = person(message.address, "Re: Hello", "Hi", message.message_id_header)
    db.session.commit()
    put(dovecot, login, mail)
    one = words(listed(client, "all"))[0]
    client.submit("/triage/work", {"mails": one, "do": "mine"})
    assert words(listed(client, "mine")) == [one]
    assert words(listed(client, "replies")) == []
    assert receiving.read_one(mailbox_id)
    db.session.rollback()
    assert words(listed(client, "replies")) == [one]
    assert words(listed(client, "mine")) == [one]
    assert db.session.query(Mail).count() == 1


def test_the_work_survives_new_numbers(
    client: PageClient, replies: list[str], dovecot: Dovecot, login: str
) -> None:
    one = words(listed(client, "replies"))[0]
    client.submit("/triage/work", {"mails": one, "do": "mine"})
    line = dovecot.client(login)
    line.create("Kept")
    line.select("INBOX")
    line.copy("1:*", "Kept")
    line.logout()
    mailbox_id = db.session.query(Mailbox).one().id
    found = folders.fresh(db.session.query(Mailbox).one(), force=True)
    kept = next(folder.id for folder in found if folder.name == "Kept")
    db.session.commit()
    page = client.get(f"/triage/{mailbox_id}/{kept}").get_data(as_text=True)
    assert len(words(page)) == len(replies)
    client.submit("/triage/work", {"mails": words(page), "do": "done"})
    rows = db.session.query(Mail).all()
    assert len(rows) == len(replies)
    assert {row.folder_id for row in rows} == {kept}
    assert sum(row.assignee_id is not None for row in rows) == 1
    db.session.rollback()


def test_a_server_that_is_away_is_said_and_what_we_know_shown(
    client: PageClient, replies: list[str]
) -> None:
    del replies
    mailbox = db.session.query(Mailbox).one()
    mailbox.port, mailbox.version = free_port(), mailbox.version + 1
    db.session.commit()
    page = listed(client, "replies")
    assert len(words(page)) == 3
    assert "Nothing answers" in page


def test_a_reader_sees_and_does_nothing(client: PageClient, replies: list[str]) -> None:
    del replies
    one = words(listed(client, "replies"))[0]
    db.session.query(Operator).update({"role": Role.READER})
    db.session.commit()
    page = listed(client, "replies")
    assert len(subjects(page)) == 3
    assert "/triage/work" not in page
    for path in ("/triage/work", "/triage/note", "/triage/ties/1"):
        assert client.submit(path, {"mails": one, "do": "done"}).status_code == 403


def test_what_was_done_is_in_the_log(client: PageClient, replies: list[str]) -> None:
    del replies
    one = words(listed(client, "replies"))[0]
    client.submit("/triage/work", {"mails": one, "do": "done"})
    entry = db.session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
    assert entry is not None
    assert (entry.action, entry.object_kind) == ("mail.done", "mail")
    db.session.rollback()


def test_counts_are_of_indexes_and_end_somewhere(
    replies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del replies
    monkeypatch.setattr(work_views, "MOST_COUNTED", 1)
    assert work_views.counts(1)["replies"] == 2
    db.session.rollback()


def test_nobody_gets_a_mail_who_cannot_sign_in(
    client: PageClient, replies: list[str]
) -> None:
    del replies
    other = operators.create("Maria", "maria@example.org", "four words are enough yes")
    other.disabled_at = now()
    other_id = other.id
    db.session.commit()
    one = words(listed(client, "replies"))[0]
    client.submit("/triage/work", {"mails": one, "do": "assign", "to": str(other_id)})
    assert "There is no such operator." in listed(client, "replies")


def test_a_state_is_set_once(replies: list[str]) -> None:
    del replies
    ids = [mail.id for mail in db.session.query(Mail)]
    db.session.rollback()
    assert work.set_state(ids, MailState.DONE).count == 3
    assert work.set_state(ids, MailState.DONE).count == 0
