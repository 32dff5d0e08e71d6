import base64
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.mailboxes.samples import fill, flags_of
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.ports import free_port
from webapp.core.db import db
from webapp.mailboxes.models import Mailbox


@pytest.fixture
def mailbox_id(mailbox: Mailbox) -> int:
    """The id; the session lets go of the database, as it is between two requests."""
    found = mailbox.id
    db.session.commit()
    return found


@pytest.fixture
def mails(api: ApiClient, mailbox_id: int, dovecot: Dovecot, login: str) -> str:
    """The path of a filled inbox's mails."""
    fill(dovecot, login, 12)
    answer = api.get(f"/mailboxes/{mailbox_id}/folders")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    inbox = next(one for one in answer.get_json()["items"] if one["role"] == "inbox")
    assert (inbox["total"], inbox["unseen"]) == (14, 10)
    return f"/mailboxes/{mailbox_id}/folders/{inbox['id']}/mails"


def account(dovecot: Dovecot, login: str) -> dict[str, Any]:
    return {
        "name": "Desk",
        "host": dovecot.host,
        "port": dovecot.port,
        "security": "none",
        "login": login,
        "password": PASSWORD,
    }


def test_a_mailbox_from_birth_to_death(
    api: ApiClient, dovecot: Dovecot, login: str
) -> None:
    made = api.post("/mailboxes", account(dovecot, login))
    assert made.status_code == 201
    path = f"/mailboxes/{made.get_json()['id']}"
    assert api.post(f"{path}/test").get_json()["ok"] is True
    assert api.patch(path, {"name": "New"}).get_json()["name"] == "New"
    assert [one["name"] for one in api.get("/mailboxes").get_json()["items"]] == ["New"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_no_secret_is_ever_shown(api: ApiClient, dovecot: Dovecot, login: str) -> None:
    made = api.post("/mailboxes", account(dovecot, login))
    listed = api.get("/mailboxes")
    assert PASSWORD not in made.get_data(as_text=True) + listed.get_data(as_text=True)


def test_a_uri_stands_for_the_fields(api: ApiClient) -> None:
    line = "imaps://ada%40example.com:pw@mail.example.com"
    made = api.post("/mailboxes", {"name": "Desk", "uri": line}).get_json()
    assert (made["host"], made["port"]) == ("mail.example.com", 993)


def test_another_host_needs_the_password(api: ApiClient, mailbox_id: int) -> None:
    answer = api.patch(f"/mailboxes/{mailbox_id}", {"host": "imap.evil.example"})
    assert answer.status_code == 422
    assert "password" in answer.get_json()["fields"]


def test_list_with_chosen_fields(api: ApiClient, mails: str) -> None:
    answer = api.get(f"{mails}?fields=uid,subject,seen&limit=3").get_json()
    assert answer["items"][0] == {
        "uid": 14,
        "subject": "Attached: the poster",
        "seen": False,
    }
    assert [item["uid"] for item in answer["items"]] == [14, 13, 12]


def test_pages_follow_each_other(api: ApiClient, mails: str) -> None:
    uids: list[int] = []
    cursor = ""
    while True:
        path = f"{mails}?fields=uid&limit=5{cursor}"
        answer = api.get(path).get_json()
        uids += [item["uid"] for item in answer["items"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert uids == list(range(14, 0, -1))


def test_search_and_count(api: ApiClient, mails: str) -> None:
    found = api.get(f"{mails}?q=from:ada&fields=uid").get_json()["items"]
    assert api.get(f"{mails}/count?q=from:ada").get_json() == {"count": len(found)}
    assert len(found) == 2


@pytest.mark.parametrize(
    ("query", "name"),
    [("q=is:purple", "q"), ("fields=nonsense", "fields"), ("limit=0", "limit")],
)
def test_what_is_not_understood(
    api: ApiClient, mails: str, query: str, name: str
) -> None:
    answer = api.get(f"{mails}?{query}")
    assert answer.status_code == 422
    assert name in answer.get_json()["fields"]


def test_one_mail_with_source_and_attachment(api: ApiClient, mails: str) -> None:
    shown = api.get(f"{mails}/14").get_json()
    assert shown["content"][0]["text"].strip() == "The poster is attached."
    assert "email" not in shown
    source = api.get(f"{mails}/14/source").data
    email = api.get(f"{mails}/14?fields=email").get_json()["email"]
    assert base64.b64decode(email) == source
    number = shown["attachments"][0]["number"]
    answer = api.get(f"{mails}/14/attachments/{number}")
    assert answer.data == b"%PDF-1.7 poster"


def test_a_mail_that_is_not_there(api: ApiClient, mails: str) -> None:
    assert api.get(f"{mails}/4000").status_code == 404
    assert api.get(f"{mails}/14/attachments/9").status_code == 404


def test_reading_changes_no_flag(
    api: ApiClient, mails: str, dovecot: Dovecot, login: str
) -> None:
    before = flags_of(dovecot, login)
    for path in (mails, f"{mails}?q=body:card", f"{mails}/14", f"{mails}/14/source"):
        assert api.get(path).status_code == 200
    assert flags_of(dovecot, login) == before


def test_flags_by_uids_and_by_search(
    api: ApiClient, mails: str, dovecot: Dovecot, login: str
) -> None:
    answer = api.post(f"{mails}/flags", {"uids": [13, 14], "add": ["\\Seen"]})
    assert answer.get_json() == {"changed": 2, "uids": [13, 14]}
    answer = api.post(f"{mails}/flags", {"q": "is:unread", "add": ["\\Seen", "todo"]})
    assert answer.get_json()["changed"] == 8
    flags = flags_of(dovecot, login)
    assert all("\\Seen" in found for found in flags.values())
    assert sum("todo" in found for found in flags.values()) == 8


def test_uids_and_a_search_at_once_change_nothing(
    api: ApiClient, mails: str, dovecot: Dovecot, login: str
) -> None:
    before = flags_of(dovecot, login)
    both = {"uids": [13], "q": "is:unread", "add": ["\\Flagged"]}
    assert api.post(f"{mails}/flags", both).status_code == 422
    assert flags_of(dovecot, login) == before


@pytest.mark.parametrize("uid", [0, 2**32, 2**60])
@pytest.mark.parametrize("part", ["", "/source", "/attachments/1"])
def test_a_uid_that_no_server_gives(
    api: ApiClient, mails: str, uid: int, part: str
) -> None:
    answer = api.get(f"{mails}/{uid}{part}")
    assert answer.status_code == 404
    assert "no longer in the folder" in answer.get_json()["detail"]


def test_no_uids_change_nothing(api: ApiClient, mails: str) -> None:
    answer = api.post(f"{mails}/flags", {"uids": [], "add": ["\\Seen"]})
    assert answer.get_json()["changed"] == 0


def test_a_folder_of_another_mailbox(api: ApiClient, mails: str) -> None:
    folder = mails.split("/")[4]
    assert api.get(f"/mailboxes/999/folders/{folder}/mails").status_code == 404


def test_an_unreachable_server_is_503(
    api: ApiClient, dovecot: Dovecot, login: str
) -> None:
    values = {**account(dovecot, login), "port": free_port()}
    made = api.post("/mailboxes", values).get_json()
    answer = api.get(f"/mailboxes/{made['id']}/folders")
    assert answer.status_code == 503
    assert "Nothing answers" in answer.get_json()["detail"]


def test_a_wrong_password_is_409(api: ApiClient, dovecot: Dovecot, login: str) -> None:
    values = {**account(dovecot, login), "password": "wrong"}
    made = api.post("/mailboxes", values).get_json()
    answer = api.get(f"/mailboxes/{made['id']}/folders")
    assert answer.status_code == 409
    assert "refused" in answer.get_json()["detail"]
    shown = api.get(f"/mailboxes/{made['id']}").get_json()
    assert shown["state"] == "needs_attention"


def test_triage_over_all_mailboxes(
    api: ApiClient, mails: str, dovecot: Dovecot, login: str
) -> None:
    values = {**account(dovecot, login), "name": "Other", "password": "wrong"}
    api.post("/mailboxes", values)
    answer = api.get(
        "/triage/mails?view=unread&q=from:priya&fields=uid,seen"
    ).get_json()
    assert [item["seen"] for item in answer["items"]] == [False, False]
    assert [one["words"] for one in answer["troubles"]] == [
        "The server refused the login or the password."
    ]
    assert mails
