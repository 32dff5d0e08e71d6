"""What people do about mails: who has it, is it done, later, labelled, noted."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import flags_of, put
from tests.support.dovecot import Dovecot
from tests.support.ports import free_port
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
from webapp.triage import labels, presence, receiving, rules, work, work_views
from webapp.triage.models import Answer, MailPresence

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
    before = client.get("/triage/pulse.json").get_json()
    db.session.query(Mail).filter(Mail.snoozed_until.is_not(None)).update(
        {"snoozed_until": now() - timedelta(seconds=1)}
    )
    db.session.commit()
    assert client.get("/triage/pulse.json").get_json() != before, "pages load it again"
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


def test_a_mail_of_somebody_who_left_is_nobodys(
    client: PageClient, send: Send, receive: Receive
) -> None:
    left = operators.create("Nina", "nina@example.org", "four words are enough yes")
    rules.add(rules.draft((None, "", "card", None), (None, left.id, False)))
    left.disabled_at = now()
    db.session.commit()
    message = send("ada@example.org")
    receive(person(message.address, "Re: card", "Hello", message.message_id_header))
    mail = db.session.query(Mail).one()
    assert mail.assignee_id is None
    mail.assignee_id = left.id
    db.session.commit()
    assert subjects(listed(client, "unassigned")) == ["Re: card"]


def test_a_state_is_set_once(replies: list[str]) -> None:
    del replies
    ids = [mail.id for mail in db.session.query(Mail)]
    db.session.rollback()
    assert work.set_state(ids, MailState.DONE).count == 3
    assert work.set_state(ids, MailState.DONE).count == 0


def test_a_rule_labels_assigns_and_finishes_what_comes_next(
    client: PageClient, send: Send, receive: Receive
) -> None:
    label_id = labels.create("Card").id
    me = db.session.query(Operator).one().id
    db.session.rollback()
    data = {
        "kind": "reply",
        "subject": "CARD",
        "label_id": str(label_id),
        "assignee_id": str(me),
        "done": "y",
    }
    assert client.submit("/triage/rules", data).status_code == 303
    message = send("ada@example.org")
    address, answers = message.address, message.message_id_header
    db.session.rollback()
    receive(
        person(address, "Re: my card", "Hello", answers),
        person(address, "Re: opening hours", "Hello", answers),
    )
    done = listed(client, "done")
    assert subjects(done) == ["Re: my card"]
    assert "<bdi>Card</bdi>" in done
    assert subjects(listed(client, "unassigned")) == ["Re: opening hours"]


def test_what_a_rule_would_match_is_shown_and_nothing_done(
    client: PageClient, replies: list[str]
) -> None:
    del replies
    data = {"sender": "KOFI@", "done": "y", "do": "try"}
    page = client.submit("/triage/rules", data).get_data(as_text=True)
    assert "1 of the last mails would match" in page
    assert "Re: kofi" in page
    assert "No rule yet" in page
    assert len(words(listed(client, "replies"))) == 3


@pytest.mark.parametrize(
    "data",
    [{"done": "y"}, {"kind": "reply"}, {"kind": "reply", "label_id": "99"}],
)
def test_a_rule_needs_a_condition_and_an_action(
    client: PageClient, data: dict[str, str]
) -> None:
    assert client.submit("/triage/rules", data).status_code == 422
    assert "No rule yet" in client.get("/triage/rules").get_data(as_text=True)


def test_rules_have_an_order_and_can_be_deleted(client: PageClient) -> None:
    for subject in ("first", "second"):
        client.submit("/triage/rules", {"subject": subject, "done": "y"})
    client.submit("/triage/rules/2", {"do": "earlier"})
    page = client.get("/triage/rules").get_data(as_text=True)
    assert page.index("<bdi>second") < page.index("<bdi>first")
    client.submit("/triage/rules/2", {"do": "delete"})
    assert "<bdi>second" not in client.get("/triage/rules").get_data(as_text=True)
    assert client.submit("/triage/rules/99", {"do": "delete"}).status_code == 404


def test_deleting_a_label_says_what_goes(client: PageClient) -> None:
    client.submit("/triage/labels", {"name": "Card", "colour": "sent"})
    again = client.submit("/triage/labels", {"name": "Card"})
    assert again.status_code == 422
    asked = client.submit("/triage/labels/1/delete").get_data(as_text=True)
    assert "cannot be undone" in asked
    client.submit("/triage/labels/1/delete", {"sure": "1"})
    assert labels.all_labels() == []


def test_who_else_looks_is_seen_for_seconds(
    client: PageClient, replies: list[str]
) -> None:
    del replies
    page = listed(client, "replies")
    place = words(page)[0]
    maria = operators.create("Maria", "maria@example.org", "four words are enough yes")
    presence.look(maria.id, place)
    link = re.search(r'href="(/triage/\d+/\d+/\d+\?[^"]*)"', page)
    assert link
    opened = link[1].replace("&amp;", "&")
    assert "Maria is looking at this" in client.get(opened).get_data(as_text=True)
    before = client.get("/triage/pulse.json").get_json()["pulse"]
    assert place in before
    db.session.query(MailPresence).update({"until": now() - timedelta(seconds=1)})
    db.session.commit()
    assert "is looking" not in client.get(opened).get_data(as_text=True)
    assert client.get("/triage/pulse.json").get_json()["pulse"] != before


def test_the_beat_says_that_one_looks(client: PageClient, replies: list[str]) -> None:
    del replies
    place = words(listed(client, "replies"))[0]
    client.get(f"/triage/pulse.json?at={place}")
    assert presence.others(0) == {place: ["Ines Carvalho"]}
    assert presence.others(db.session.query(Operator).one().id) == {}
    db.session.rollback()


def test_the_api_changes_and_notes(api: ApiClient, replies: list[str]) -> None:
    del replies
    one = api.get("/triage/mails?view=replies").get_json()["items"][0]["id"]
    changed = api.patch(f"/triage/mails/{one}", {"state": "done", "assignee_id": "1"})
    assert changed.get_json()["state"] == "done"
    assert changed.get_json()["assignee_id"] == 1
    assert api.post(f"/triage/mails/{one}/notes", {"text": "Rang"}).status_code == 201
    notes = api.get(f"/triage/mails/{one}/notes").get_json()["items"]
    assert [note["text"] for note in notes] == ["Rang"]
    for wrong in ({"state": "x"}, {"assignee_id": "x"}, {"snoozed_until": "x"}):
        assert api.patch(f"/triage/mails/{one}", wrong).status_code == 422
    for path in ("", "/notes"):
        call = api.patch if not path else api.post
        body = {"state": "done"} if not path else {"text": "x"}
        assert call(f"/triage/mails/4000{path}", body).status_code == 404


def test_a_suggestion_is_confirmed_by_a_person(
    client: PageClient, send: Send, receive: Receive
) -> None:
    message = send("ada@example.org")
    address = message.address
    message.bodies = {"subject": "Your November"}
    db.session.commit()
    receive(person(address, "Re: Your November", "Thank you"))
    link = re.search(r'href="(/triage/\d+/\d+/\d+\?[^"]*)"', listed(client, "all"))
    assert link
    opened = link[1].replace("&amp;", "&")
    page = client.get(opened).get_data(as_text=True)
    assert "Nothing in the mail proves it." in page
    client.submit("/triage/ties/1", {"do": "confirm", "back": opened})
    assert db.session.query(Answer).one().matched_by == "person"
    db.session.rollback()
    assert "Nothing in the mail proves it." not in client.get(opened).get_data(True)
    assert client.submit("/triage/ties/77", {"do": "reject"}).status_code == 404
