"""What is done with mails, by the API and as a service: files, folders, everywhere."""

import base64
import re
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.mailboxes.samples import mail
from tests.mailboxes.test_changing import subjects
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes.models import Mailbox


@pytest.fixture
def account(mailbox: Mailbox, dovecot: Dovecot, login: str) -> str:
    """The path of a mailbox with mails in three folders."""
    client = dovecot.client(login)
    for name in ("Lists", "Lists.News", "R&-D"):
        client.create(f'"{name}"')
    for n in range(1, 10):
        octets = mail("Ada <ada@example.com>", f"Subject {n}", "Body", n).as_bytes()
        folder = ("INBOX", "Lists.News", "R&-D")[n % 3]
        stamp = f'"{n:02d}-Mar-2026 12:00:00 +0000"'
        client.append(f'"{folder}"', "", stamp, octets)
    client.logout()
    path = f"/mailboxes/{mailbox.id}"
    db.session.commit()
    return path


def folder(api: ApiClient, account: str, name: str) -> dict[str, Any]:
    items = api.get(f"{account}/folders").get_json()["items"]
    found: dict[str, Any] = next(one for one in items if one["name"] == name)
    return found


def mails_of(api: ApiClient, account: str, name: str = "INBOX") -> str:
    return f"{account}/folders/{folder(api, account, name)['id']}/mails"


def test_move_by_name_says_where_they_are(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    path = mails_of(api, account)
    answer = api.post(f"{path}/move", {"uids": [1, 2], "to": "Lists.News"}).get_json()
    assert (answer["changed"], answer["uids"]) == (2, [1, 2])
    assert [one["uid"] for one in answer["placed"]] == [1, 2]
    assert subjects(dovecot, login) == ["Subject 9"]
    there = [one["new_uid"] for one in answer["placed"]]
    again = api.get(f"{mails_of(api, account, 'Lists.News')}?fields=uid").get_json()
    assert set(there) <= {one["uid"] for one in again["items"]}


def test_move_of_a_search(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    path = mails_of(api, account)
    body = {"q": "subject:9 OR subject:3", "to": "Trash"}
    assert api.post(f"{path}/move", body).get_json()["changed"] == 2
    assert subjects(dovecot, login, "Trash") == ["Subject 3", "Subject 9"]


@pytest.mark.parametrize("to", ["Nowhere", "", "0", "999999", "INBOX\r\nx"])
def test_move_to_no_folder(api: ApiClient, account: str, to: str) -> None:
    path = mails_of(api, account)
    answer = api.post(f"{path}/move", {"uids": [1], "to": to})
    assert answer.status_code in {404, 422}
    assert api.get(f"{path}/count").get_json()["count"] == 3


def test_move_to_the_same_folder(api: ApiClient, account: str) -> None:
    answer = api.post(f"{mails_of(api, account)}/move", {"uids": [1], "to": "inbox"})
    assert answer.status_code == 409
    assert "already" in answer.get_json()["detail"]


def test_an_empty_choice_moves_nothing(api: ApiClient, account: str) -> None:
    path = mails_of(api, account)
    for verb, more in (("move", {"to": "Trash"}), ("delete", {}), ("archive", {})):
        assert api.post(f"{path}/{verb}", more).get_json()["changed"] == 0
    assert api.get(f"{path}/count").get_json()["count"] == 3


def test_archive_makes_the_folder(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    answer = api.post(f"{mails_of(api, account)}/archive", {"uids": [2]}).get_json()
    assert answer["changed"] == 1
    assert folder(api, account, "Archive")["id"] == answer["folder_id"]
    assert subjects(dovecot, login, "Archive") == ["Subject 6"]


def test_delete_goes_to_the_trash_first(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    path = mails_of(api, account)
    answer = api.post(f"{path}/delete", {"uids": [1]}).get_json()
    assert answer["folder_id"] == folder(api, account, "Trash")["id"]
    assert subjects(dovecot, login, "Trash") == ["Subject 3"]
    trash = mails_of(api, account, "Trash")
    gone = api.post(f"{trash}/delete", {"uids": [1]}).get_json()
    assert (gone["changed"], gone["folder_id"]) == (1, None)
    assert subjects(dovecot, login, "Trash") == []


def test_delete_for_good(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    body = {"uids": [1, 3], "for_good": True}
    answer = api.post(f"{mails_of(api, account)}/delete", body).get_json()
    assert answer["changed"] == 2
    assert subjects(dovecot, login) == ["Subject 6"]
    assert subjects(dovecot, login, "Trash") == []


def test_append(api: ApiClient, account: str, dovecot: Dovecot, login: str) -> None:
    source = b"Subject: A draft\nFrom: ada@example.com\n\nBody\n"
    body = {
        "source": base64.b64encode(source).decode(),
        "flags": ["draft"],
        "received": "2026-01-02T03:04:05+01:00",
    }
    answer = api.post(mails_of(api, account), body)
    assert answer.status_code == 201
    uid = answer.get_json()["uid"]
    assert uid == 4
    shown = api.get(f"{mails_of(api, account)}/{uid}").get_json()
    assert (shown["subject"], shown["draft"]) == ("A draft", True)
    assert shown["received"].startswith("2026-01-02T02:04:05")
    assert subjects(dovecot, login)[-1] == "A draft"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "source"),
        ({"source": "no base64!"}, "source"),
        ({"source": base64.b64encode(b"  \n").decode()}, "source"),
        ({"source": base64.b64encode(b"X: \0\n\n").decode()}, "source"),
        ({"source": "eA==", "flags": ["a b"]}, "flags"),
        ({"source": "eA==", "received": "yesterday"}, "received"),
        ({"source": "eA==", "received": "2026-01-02T03:04:05"}, "received"),
    ],
)
def test_what_cannot_be_appended(
    api: ApiClient, account: str, body: dict[str, Any], field: str
) -> None:
    answer = api.post(mails_of(api, account), body)
    assert answer.status_code == 422, answer.get_data(as_text=True)
    assert field in answer.get_json()["fields"]


def test_a_large_mail_is_appended(api: ApiClient, account: str) -> None:
    source = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    source += (b"y" * 76 + b"\r\n") * 60_000
    body = {"source": base64.b64encode(source).decode()}
    assert api.post(mails_of(api, account), body).status_code == 201


def test_folders_are_made_renamed_and_subscribed(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    made = api.post(f"{account}/folders", {"name": "Lists.Entwürfe & more"})
    assert made.status_code == 201
    one = made.get_json()
    assert one["subscribed"] is True
    path = f"{account}/folders/{one['id']}"
    renamed = api.patch(path, {"name": "Lists.Größe"}).get_json()
    assert (renamed["id"], renamed["name"]) == (one["id"], "Lists.Größe")
    assert api.patch(path, {"subscribed": False}).get_json()["subscribed"] is False
    client = dovecot.client(login)
    _ok, listed = client.list('""', '"*"')
    _ok, subscribed = client.lsub('""', '"*"')
    client.logout()
    assert b'"." "Lists.Gr&APYA3w-e"' in b" ".join(filter(None, map(octets, listed)))
    assert b"Gr&APY" not in b" ".join(filter(None, map(octets, subscribed)))


def octets(line: Any) -> bytes:
    text = re.sub(rb'" (Lists[^"]*)$', rb'" "\1"', line or b"")
    assert isinstance(text, bytes)
    return text


def test_a_renamed_folder_takes_those_inside_along(
    api: ApiClient, account: str
) -> None:
    before = folder(api, account, "Lists.News")["id"]
    lists = folder(api, account, "Lists")["id"]
    api.patch(f"{account}/folders/{lists}", {"name": "Letters"})
    assert folder(api, account, "Letters")["id"] == lists
    assert folder(api, account, "Letters.News")["id"] == before


@pytest.mark.parametrize("name", ["", "a\r\nb", "a*", "x" * 300, "Lists", "a..b"])
def test_names_that_cannot_be(api: ApiClient, account: str, name: str) -> None:
    api.get(f"{account}/folders")
    answer = api.post(f"{account}/folders", {"name": name})
    assert answer.status_code == 422
    assert "name" in answer.get_json()["fields"]


def test_the_inbox_keeps_its_name(api: ApiClient, account: str) -> None:
    inbox = folder(api, account, "INBOX")["id"]
    answer = api.patch(f"{account}/folders/{inbox}", {"name": "Else"})
    assert answer.status_code == 422


def test_own_names_of_folders(
    api: ApiClient, account: str, dovecot: Dovecot, login: str
) -> None:
    names = {"archive": "Lists.News", "research": "R&D"}
    shown = api.patch(account, {"folder_map": names})
    assert shown.get_json()["folder_map"] == names
    assert folder(api, account, "Lists.News")["role"] == "archive"
    path = mails_of(api, account)
    api.post(f"{path}/archive", {"uids": [1]})
    api.post(f"{path}/move", {"uids": [2], "to": "research"})
    assert "Subject 3" in subjects(dovecot, login, "Lists.News")
    assert "Subject 6" in subjects(dovecot, login, '"R&-D"')


@pytest.mark.parametrize("names", [{"a=b": "x"}, {"": "x"}, {"a": ""}, {"a": "b\r\n*"}])
def test_own_names_that_cannot_be(
    api: ApiClient, account: str, names: dict[str, str]
) -> None:
    answer = api.patch(account, {"folder_map": names})
    assert answer.status_code == 422
    assert "folder_map" in answer.get_json()["fields"]


@pytest.mark.parametrize("limit", [1, 2, 4, 50])
def test_everywhere_page_by_page(api: ApiClient, account: str, limit: int) -> None:
    seen: list[tuple[str, str]] = []
    cursor = ""
    for _page in range(20):
        path = f"{account}/mails?fields=subject&limit={limit}&cursor={cursor}"
        answer = api.get(path).get_json()
        assert len(answer["items"]) <= limit
        seen += [(one["subject"], one["folder"]) for one in answer["items"]]
        cursor = answer["next"]
        if not cursor:
            break
    assert [subject for subject, _folder in seen] == [
        f"Subject {n}" for n in range(9, 0, -1)
    ]
    assert seen[0][1] == "INBOX"
    assert seen[1][1] == "R&D"


def test_everywhere_searches(api: ApiClient, account: str) -> None:
    answer = api.get(f"{account}/mails?q=subject:5+OR+subject:6&fields=subject")
    found = [one["subject"] for one in answer.get_json()["items"]]
    assert found == ["Subject 6", "Subject 5"]
    assert api.get(f"{account}/mails?q=is:purple").status_code == 422
    assert api.get(f"{account}/mails?cursor=zap").status_code == 422
