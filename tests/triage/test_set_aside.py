"""Mails that could not be read: seen, read again, or let be."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import ApiClient, PageClient
from tests.support.dovecot import Dovecot
from tests.triage.answering import Dsn, about, person
from tests.triage.conftest import Receive, suppressed
from webapp.campaigns.models import Event, Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import arrivals
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.imap_errors import Unreachable
from webapp.mailboxes.models import Mail, Mailbox
from webapp.triage import receiving

HERE = "/triage/set-aside"


@pytest.fixture
def poisoned(
    send: Callable[[str], Message], receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> int:
    """The id of a bounce that was set aside; it can be read by now."""
    known = about(send("ada@example.org"))
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "sort", lambda *_given: 1 // 0)
        receive(Dsn(known.to, returned=known.returned).octets())
    assert suppressed() == []
    return int(kept("id")[0])


def kept(column: str = "kind") -> list[Any]:
    db.session.rollback()
    query = sa.select(getattr(Mail, column)).order_by(Mail.id)
    found = list(db.session.scalars(query))
    db.session.rollback()
    return found


def shown(client: PageClient, path: str = HERE) -> str:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def act(client: PageClient, mail_id: int, do: str) -> str:
    answer = client.submit(f"{HERE}/{mail_id}", {"do": do})
    assert answer.status_code == 303
    return shown(client, answer.location)


def test_nothing_is_an_empty_page(client: PageClient) -> None:
    assert "Nothing is set aside" in shown(client)


def test_the_page_says_why_and_leads_to_the_source(
    client: PageClient, poisoned: int
) -> None:
    page = shown(client)
    assert "could not be sorted (ZeroDivisionError)" in page
    source = page.partition("/source")[0].rpartition('href="')[2]
    answer = client.get(f"{source}/source")
    assert b"Final-Recipient: rfc822; ada@example.org" in answer.data
    assert f'action="{HERE}/{poisoned}"' in page


def test_mailboxes_and_triage_lead_to_it(client: PageClient, poisoned: int) -> None:
    for path in ("/mailboxes", "/triage?view=bounces"):
        assert f'href="{HERE}' in shown(client, path)
    act(client, poisoned, "again")
    for path in ("/mailboxes", "/triage?view=bounces"):
        assert f'href="{HERE}' not in shown(client, path)


def test_read_again_it_does_what_it_says(client: PageClient, poisoned: int) -> None:
    assert "what it says is taken in" in act(client, poisoned, "again")
    assert kept() == ["bounce"]
    assert kept("id") == [poisoned]
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]
    assert db.session.scalars(sa.select(Event.kind)).all() == ["bounced"]


def test_it_is_known_again_when_the_sync_meets_it_later(
    client: PageClient, poisoned: int, receive: Receive
) -> None:
    act(client, poisoned, "again")
    db.session.execute(sa.text("UPDATE folder SET synced_uid = 0"))
    db.session.commit()
    receive(person("bo@example.net", "Hi", "there"))
    assert kept() == ["bounce", "other"]
    assert db.session.query(Event).count() == 1


def test_what_breaks_again_stays_with_its_reason(
    client: PageClient, poisoned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_given: Any) -> list[Arrival]:
        raise Unreachable("The connection to the mail server was lost.")

    monkeypatch.setattr(arrivals, "fetch", breaks)
    page = act(client, poisoned, "again")
    assert "cannot be read yet" in page
    assert kept("words") == ["The server's answer for this mail cannot be read."]
    assert kept() == ["set_aside"]


def test_what_was_there_before_the_connection_is_history(
    client: PageClient, poisoned: int
) -> None:
    later = now() + timedelta(hours=1)
    db.session.execute(sa.update(Mailbox).values(connected_at=later))
    db.session.commit()
    act(client, poisoned, "again")
    assert (kept(), suppressed()) == (["other"], [])


def test_a_mail_that_is_gone_says_so(
    client: PageClient, poisoned: int, dovecot: Dovecot, login: str
) -> None:
    connection = dovecot.client(login)
    connection.select("INBOX")
    connection.store("1:*", "+FLAGS", "\\Deleted")
    connection.expunge()
    connection.logout()
    assert "no longer in its folder" in act(client, poisoned, "again")
    assert kept() == ["set_aside"]


def test_dismissed_it_is_off_the_page_and_comes_back_with_undo(
    client: PageClient, poisoned: int
) -> None:
    page = act(client, poisoned, "dismiss")
    assert "Nothing is set aside" in page
    was = page.partition('name="was" value="')[2].partition('"')[0]
    client.submit("/triage/work", {"do": "restore", "was": was, "back": HERE})
    assert "ZeroDivisionError" in shown(client)


def test_by_the_api(api: ApiClient, poisoned: int) -> None:
    [item] = api.get("/triage/set-aside").get_json()["items"]
    assert (item["id"], item["kind"]) == (poisoned, "set_aside")
    assert "could not be sorted" in item["words"]
    again = api.post(f"/triage/mails/{poisoned}/try-again")
    assert (again.status_code, again.get_json()["kind"]) == (200, "bounce")
    assert api.get("/triage/set-aside").get_json()["items"] == []
    assert api.post(f"/triage/mails/{poisoned}/try-again").status_code == 409
    assert api.post("/triage/mails/4711/try-again").status_code == 404


def test_the_api_dismisses_by_the_state(api: ApiClient, poisoned: int) -> None:
    api.patch(f"/triage/mails/{poisoned}", {"state": "done"})
    assert api.get("/triage/set-aside").get_json()["items"] == []


def test_one_that_was_read_elsewhere_meanwhile_is_one_row(
    client: PageClient, poisoned: int
) -> None:
    identity = kept("identity")[0]
    mailbox_id, folder_id = kept("mailbox_id")[0], kept("folder_id")[0]
    db.session.execute(sa.update(Mail).values(identity="place 1.2.3"))
    db.session.add(Mail(mailbox_id=mailbox_id, folder_id=folder_id, identity=identity))
    db.session.commit()
    act(client, poisoned, "again")
    assert kept() == ["other"]
