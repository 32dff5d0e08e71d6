"""Labels and rules through the API, with the forms and services of the pages."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ApiClient
from webapp.core.db import db
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.mailboxes.models import Mail, Mailbox

Keep = Callable[[str], int]


@pytest.fixture
def keep(mailbox: Mailbox) -> Keep:
    """Return a function that keeps a mail with a subject, and returns its id."""
    mailbox_id = mailbox.id
    db.session.rollback()

    def kept(subject: str) -> int:
        mail = Mail(
            mailbox_id=mailbox_id,
            identity=subject,
            subject=subject,
            kind=MailKind.REPLY,
        )
        db.session.add(mail)
        db.session.flush()
        mail_id = mail.id
        db.session.commit()
        return mail_id

    return kept


def label(api: ApiClient, name: str = "Urgent") -> int:
    made = api.post("/labels", {"name": name, "colour": "failed"})
    assert made.status_code == 201
    return int(made.get_json()["id"])


def names(api: ApiClient, path: str, what: str) -> list[Any]:
    return [one[what] for one in api.get(path).get_json()["items"]]


def state_of(mail_id: int) -> MailState:
    db.session.rollback()
    found = db.session.get_one(Mail, mail_id).state
    db.session.rollback()
    return found


def test_a_label_is_made_changed_and_deleted(api: ApiClient) -> None:
    place = f"/labels/{label(api)}"
    changed = api.patch(place, {"colour": "sent"}).get_json()
    assert (changed["name"], changed["colour"]) == ("Urgent", "sent")
    assert api.patch(place, {"name": "Later"}).get_json()["name"] == "Later"
    assert names(api, "/labels", "name") == ["Later"]
    assert api.delete(place).status_code == 204
    assert api.patch(place, {"name": "Gone"}).status_code == 404


def test_two_labels_have_two_names(api: ApiClient) -> None:
    label(api)
    other = label(api, "Later")
    answer = api.patch(f"/labels/{other}", {"name": "Urgent"})
    assert answer.status_code == 422
    assert "name" in answer.get_json()["fields"]
    assert names(api, "/labels", "name") == ["Later", "Urgent"]


def test_a_label_is_put_on_and_taken_off(api: ApiClient, keep: Keep) -> None:
    place, mail_id = f"/labels/{label(api)}/apply", keep("Hello")
    assert api.post(place, {"mail_ids": [mail_id]}).get_json() == {"changed": 1}
    assert api.post(place, {"mail_ids": [mail_id]}).get_json() == {"changed": 0}
    off = {"mail_ids": [mail_id], "on": False}
    assert api.post(place, off).get_json() == {"changed": 1}
    assert api.post(place, {"mail_ids": [4711]}).status_code == 404


def test_a_rule_is_made_changed_moved_and_deleted(api: ApiClient) -> None:
    for sender in ("@one.example", "@two.example"):
        assert api.post("/rules", {"sender": sender, "done": True}).status_code == 201
    first, second = names(api, "/rules", "id")
    changed = api.patch(f"/rules/{second}", {"subject": "Card"}).get_json()
    assert (changed["sender"], changed["subject"]) == ("@two.example", "Card")
    assert changed["done"] is True
    api.post(f"/rules/{second}/move", {"to": "earlier"})
    assert names(api, "/rules", "id") == [second, first]
    assert api.delete(f"/rules/{first}").status_code == 204
    assert names(api, "/rules", "id") == [second]


@pytest.mark.parametrize(
    "values", [{"done": True}, {"sender": "x"}, {"sender": "x", "kind": "nonsense"}]
)
def test_a_rule_for_all_or_for_nothing_is_none(
    api: ApiClient, values: dict[str, Any]
) -> None:
    assert api.post("/rules", values).status_code == 422
    assert names(api, "/rules", "id") == []


def test_a_change_that_leaves_no_action_is_refused(api: ApiClient) -> None:
    rule_id = api.post("/rules", {"sender": "x", "done": True}).get_json()["id"]
    assert api.patch(f"/rules/{rule_id}", {"done": False}).status_code == 422
    assert names(api, "/rules", "done") == [True]


def test_a_rule_is_applied_to_the_last_mails(api: ApiClient, keep: Keep) -> None:
    fitting, other = keep("Your card"), keep("Hello")
    rule = {"subject": "card", "kind": "reply", "done": True}
    rule_id = api.post("/rules", rule).get_json()["id"]
    assert state_of(fitting) is MailState.OPEN
    assert api.post(f"/rules/{rule_id}/apply").get_json() == {"matched": 1}
    assert state_of(fitting) is MailState.DONE
    assert state_of(other) is MailState.OPEN
    assert api.post("/rules/4711/apply").status_code == 404
