import pytest

from tests.conftest import PageClient
from tests.mailboxes.samples import fill
from tests.support.dovecot import PASSWORD, Dovecot
from webapp.core.db import db
from webapp.mailboxes import service
from webapp.mailboxes.models import Mailbox


def form(dovecot: Dovecot, account: str, **changed: str) -> dict[str, str]:
    return {
        "name": "Desk",
        "host": dovecot.host,
        "port": str(dovecot.port),
        "security": "none",
        "login": account,
        "password": PASSWORD,
        **changed,
    }


def test_no_mailbox_yet(client: PageClient) -> None:
    page = client.get("/mailboxes").get_data(as_text=True)
    assert "No mailbox is connected" in page


def test_connect_by_form(client: PageClient, dovecot: Dovecot, login: str) -> None:
    answer = client.submit("/mailboxes/new", form(dovecot, login))
    assert answer.status_code == 303
    [mailbox] = service.all_mailboxes()
    assert (mailbox.name, mailbox.login) == ("Desk", login)
    page = client.get("/mailboxes").get_data(as_text=True)
    assert "Desk" in page
    assert PASSWORD not in page


def test_connect_by_address_line(client: PageClient) -> None:
    line = "imaps://ada%40example.com:p%3Aw@mail.example.com"
    answer = client.submit("/mailboxes/new", {"name": "Desk", "uri": line})
    assert answer.status_code == 303
    [mailbox] = service.all_mailboxes()
    found = (mailbox.host, mailbox.port, mailbox.security.value, mailbox.login)
    assert found == ("mail.example.com", 993, "tls", "ada@example.com")


def test_a_preset_fills_the_form(client: PageClient) -> None:
    page = client.get("/mailboxes/new?preset=fastmail").get_data(as_text=True)
    assert "imap.fastmail.com" in page


def test_the_test_button_says_how_it_went_and_saves_nothing(
    client: PageClient, dovecot: Dovecot, login: str
) -> None:
    answer = client.submit("/mailboxes/new", form(dovecot, login, test="1"))
    page = answer.get_data(as_text=True)
    assert "It works: signed in and found 3 folders." in page
    assert f'value="{PASSWORD}"' not in page
    assert service.all_mailboxes() == []


def test_a_wrong_password_is_said_in_words(
    client: PageClient, dovecot: Dovecot, login: str
) -> None:
    data = form(dovecot, login, test="1", password="wrong")
    page = client.submit("/mailboxes/new", data).get_data(as_text=True)
    assert "The server refused the login or the password." in page
    assert "Authentication failed." in page
    assert "wrong" not in page


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"host": "bad host"}, "is not a host name"),
        ({"host": ""}, "Say which server"),
        ({"login": ""}, "Say with which login"),
        ({"password": ""}, "needs its password"),
        ({"name": ""}, "Give the mailbox a name"),
        ({"uri": "imaps://a:100%@h"}, "two hex digits"),
        ({"ca_pem": "nonsense"}, "no certificate"),
        ({"port": "99999"}, "between 1 and 65535"),
    ],
)
def test_what_is_wrong_is_said_and_the_input_kept(
    client: PageClient,
    dovecot: Dovecot,
    login: str,
    changed: dict[str, str],
    words: str,
) -> None:
    answer = client.submit("/mailboxes/new", form(dovecot, login, **changed))
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert words in page
    assert login in page or "login" in changed
    assert service.all_mailboxes() == []


def test_wrong_names_of_folders_stay_in_the_form(
    client: PageClient, dovecot: Dovecot, login: str
) -> None:
    lines = "archive = Lists/2026\nno equals sign"
    data = form(dovecot, login, folder_map=lines)
    answer = client.submit("/mailboxes/new", data)
    assert answer.status_code == 422
    assert lines in answer.get_data(as_text=True)


def test_change_keeps_the_password(client: PageClient, mailbox: Mailbox) -> None:
    page = client.get(f"/mailboxes/{mailbox.id}").get_data(as_text=True)
    assert mailbox.host in page
    assert f'value="{PASSWORD}"' not in page
    data = {**service.shown(mailbox), "name": "Renamed", "password": ""}
    assert client.submit(f"/mailboxes/{mailbox.id}", data).status_code == 303
    db.session.refresh(mailbox)
    assert mailbox.name == "Renamed"


def test_disconnect_asks_for_the_name(client: PageClient, mailbox: Mailbox) -> None:
    path = f"/mailboxes/{mailbox.id}/delete"
    assert client.submit(path, {"name": "other"}).status_code == 422
    assert service.all_mailboxes() == [mailbox]
    assert client.submit(path, {"name": mailbox.name}).status_code == 303
    assert service.all_mailboxes() == []


def test_disconnecting_changes_nothing_on_the_server(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    fill(dovecot, login, 2)
    client.submit(f"/mailboxes/{mailbox.id}/delete", {"name": mailbox.name})
    other = dovecot.client(login)
    assert other.select("INBOX", readonly=True)[1] == [b"4"]
    other.logout()
