import re

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import fill, flags_of, mail, put
from tests.support.dovecot import Dovecot
from tests.support.ports import free_port
from webapp.core.db import db
from webapp.mailboxes import folders, indexing, service
from webapp.mailboxes.models import Mailbox
from webapp.operators.models import Operator, Role


@pytest.fixture
def inbox(mailbox: Mailbox, dovecot: Dovecot, login: str) -> str:
    """The path of a filled inbox."""
    fill(dovecot, login, 54)
    found = folders.fresh(mailbox, force=True)
    return f"/triage/{mailbox.id}/{found[0].id}"


def text(client: PageClient, path: str) -> str:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def links(page: str) -> list[str]:
    return re.findall(r'href="(/triage/\d+/\d+/\d+\?[^"]*)"', page)


def word_of(page: str, uid: int) -> str:
    found = re.search(rf'value="(\d+\.\d+\.{uid})"', page)
    assert found
    return found[1]


def test_nothing_connected(client: PageClient) -> None:
    assert "Connect a mailbox" in text(client, "/triage")


@pytest.mark.usefixtures("mailbox")
def test_a_cursor_where_there_is_no_folder_changes_nothing(client: PageClient) -> None:
    assert client.get("/triage?view=unread&cursor=zap").status_code == 200


def test_the_newest_fifty_and_older(client: PageClient, inbox: str) -> None:
    page = text(client, inbox)
    assert page.count('name="mails"') == 50
    older = re.search(r'rel="next"\s+href="([^"]+)"', page)
    assert older
    second = text(client, older[1].replace("&amp;", "&"))
    assert second.count('name="mails"') == 6


def test_folders_have_names_and_counts(client: PageClient, inbox: str) -> None:
    page = text(client, inbox)
    assert "Entwürfe" in page
    assert re.search(r'class="count">38<', page)


def test_search(client: PageClient, inbox: str) -> None:
    page = text(client, f"{inbox}?q=from:priya+is:unread")
    assert page.count("Priya Raman<") == page.count('name="mails"') > 0
    assert "No mail matches" in text(client, f"{inbox}?q=subject:zzz")


def test_a_search_that_is_not_understood_is_kept(
    client: PageClient, inbox: str
) -> None:
    page = text(client, f"{inbox}?q=is:purple")
    assert "“is:purple” is not a state" in page
    assert 'value="is:purple"' in page


def test_opening_shows_the_mail_and_changes_no_flag(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    before = flags_of(dovecot, login)
    page = text(client, inbox)
    for link in links(page)[:4]:
        text(client, link.replace("&amp;", "&"))
    for end in ("", "/frame", "/source", "/attachments/1", "?show=headers"):
        assert client.get(f"{inbox}/56{end}").status_code == 200
    assert flags_of(dovecot, login) == before


def test_plain_text_has_links_and_folded_quotes(
    client: PageClient, mailbox: Mailbox, inbox: str
) -> None:
    del mailbox
    page = text(client, f"{inbox}/54")
    assert 'href="https://example.com/pay?ref=1"' in page
    assert "Show quoted text (2 lines)" in page


def test_selected_mails_are_marked_and_the_way_back_is_offered(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    page = text(client, inbox)
    before = flags_of(dovecot, login)
    chosen = [word_of(page, uid) for uid in (54, 55, 56)]
    data = {"mails": chosen, "do": "flag", "back": inbox}
    assert client.submit("/triage/act", data).location == inbox
    marked = flags_of(dovecot, login)
    assert all("\\Flagged" in marked[uid] for uid in (54, 55, 56))
    page = text(client, inbox)
    toast = re.search(r'class="toast">.*?</form>', page, re.DOTALL)
    assert toast
    undo = dict(re.findall(r'name="(\w+)"\s+value="([^"]*)"', toast[0]))
    client.submit("/triage/act", undo)
    assert flags_of(dovecot, login) == before


@pytest.mark.parametrize(
    ("action", "flag"), [("read", "\\Seen"), ("flag", "\\Flagged")]
)
def test_each_mark_and_its_opposite(
    client: PageClient,
    inbox: str,
    dovecot: Dovecot,
    login: str,
    action: str,
    flag: str,
) -> None:
    word = word_of(text(client, inbox), 56)
    client.submit("/triage/act", {"mails": word, "do": action})
    assert flags_of(dovecot, login)[56] == flag
    client.submit("/triage/act", {"mails": word, "do": f"un{action}"})
    assert flags_of(dovecot, login)[56] == ""


@pytest.mark.parametrize(
    "data",
    [
        {"do": "read"},
        {"do": "read", "mails": "nonsense"},
        {"do": "read", "mails": "1.2.1:99999999"},
        {"do": "explode", "mails": "1.2.3"},
    ],
)
def test_a_strange_choice_is_said(
    client: PageClient, inbox: str, data: dict[str, str]
) -> None:
    answer = client.submit("/triage/act", {**data, "back": inbox})
    assert answer.status_code == 303
    assert 'class="toast"' in text(client, inbox)


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil", "/triage\\@x"]
)
def test_one_never_comes_back_elsewhere(
    client: PageClient, inbox: str, back: str
) -> None:
    del inbox
    answer = client.submit("/triage/act", {"do": "read", "back": back})
    assert answer.location == "/triage"


def test_the_views_go_over_all_inboxes(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    del inbox
    assert "Newsletter of the fair" in text(client, "/triage")
    flagged = text(client, "/triage?view=flagged")
    assert "Newsletter of the fair" not in flagged
    assert flagged.count('name="mails"') > 0
    client_of = dovecot.client(login)
    client_of.select("INBOX")
    client_of.store("1:*", "+FLAGS", "(\\Seen)")
    client_of.logout()
    assert "Inbox zero" in text(client, "/triage")


def test_an_empty_folder(client: PageClient, mailbox: Mailbox, inbox: str) -> None:
    trash = next(f for f in folders.known(mailbox.id) if f.role == "trash")
    del inbox
    assert "This folder is empty" in text(client, f"/triage/{mailbox.id}/{trash.id}")


def test_an_unreachable_server_is_a_notice(
    client: PageClient, mailbox: Mailbox, inbox: str
) -> None:
    mailbox.port = free_port()
    mailbox.version += 1
    db.session.commit()
    page = text(client, f"{inbox}?fresh=1")
    assert "The mail server is not reachable" in page
    assert "Try again now" in page
    assert "Traceback" not in page


def test_a_wrong_password_is_a_notice(client: PageClient, mailbox: Mailbox) -> None:
    values = {**service.shown(mailbox), "password": "wrong"}
    service.change(mailbox, **values)
    page = text(client, f"/triage/{mailbox.id}")
    assert "The password was refused" in page
    assert f"/mailboxes/{mailbox.id}" in page


def test_a_mailbox_in_trouble_leaves_the_others(
    client: PageClient, mailbox: Mailbox, inbox: str
) -> None:
    del inbox
    values = {**service.shown(mailbox), "name": "Other", "port": free_port()}
    service.create(**values, password="x")
    page = text(client, "/triage")
    assert "Newsletter of the fair" in page
    assert "Nothing answers" in page


def test_a_folder_that_vanished_is_a_notice(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    other = dovecot.client(login)
    other.create("Box")
    box = next(f for f in folders.fresh(mailbox, force=True) if f.name == "Box")
    other.delete("Box")
    other.logout()
    assert "The folder is gone" in text(client, f"/triage/{mailbox.id}/{box.id}")


def test_new_numbers_are_a_notice(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, mail("a@example.com", "Hi", "x"))
    first = folders.fresh(mailbox, force=True)[0]
    path = f"/triage/{mailbox.id}/{first.id}/1"
    assert "numbered this folder anew" in text(client, f"{path}?v=1")
    answer = client.submit("/triage/act", {"mails": f"{first.id}.1.1", "do": "read"})
    assert "numbered this folder anew" in text(client, str(answer.location))
    assert flags_of(dovecot, login) == {1: ""}


def test_a_mail_that_is_gone_is_a_notice(client: PageClient, inbox: str) -> None:
    page = text(client, f"{inbox}/4000")
    assert "This mail is no longer in the folder." in page
    assert "Tomás Ferreira" in page


def test_a_reader_sees_no_buttons(client: PageClient, inbox: str) -> None:
    db.session.query(Operator).update({"role": Role.READER})
    db.session.commit()
    page = text(client, inbox)
    assert 'name="mails"' not in page
    answer = client.submit("/triage/act", {"mails": "1.1.1", "do": "read"})
    assert answer.status_code == 403


def toast(client: PageClient, path: str) -> dict[str, str]:
    """Return what the undo of the toast on a page would post."""
    page = text(client, path)
    form = page[page.index('class="toasts"') :]
    pairs = re.findall(r'name="(mails|do|back)"\s+value="([^"]*)"', form)
    return {name: value.replace("&gt;", ">") for name, value in pairs}


@pytest.mark.parametrize(
    ("action", "folder"), [("archive", "Archive"), ("delete", "Trash")]
)
def test_archive_and_delete_can_be_undone(
    client: PageClient,
    inbox: str,
    dovecot: Dovecot,
    login: str,
    action: str,
    folder: str,
) -> None:
    before = flags_of(dovecot, login)
    page = text(client, inbox)
    data = {"mails": word_of(page, 56), "do": action, "back": inbox}
    assert client.submit("/triage/act", data).location == inbox
    assert len(flags_of(dovecot, login)) == len(before) - 1
    assert len(flags_of(dovecot, login, folder)) == 1
    client.submit("/triage/act", toast(client, inbox))
    assert len(flags_of(dovecot, login)) == len(before)
    assert flags_of(dovecot, login, folder) == {}


def test_moving_an_open_mail_goes_back_to_its_list(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    open_mail = links(text(client, inbox))[0].replace("&amp;", "&")
    page = text(client, open_mail)
    to = re.search(r'<option value="(\d+)">Entwürfe<', page)
    assert to
    data = {"mails": word_of(page, 56), "do": "move", "to": to[1], "back": open_mail}
    answer = client.submit("/triage/act", data)
    assert answer.location.split("?")[0] == inbox
    assert len(flags_of(dovecot, login, "Entw&APw-rfe")) == 1


def test_deleting_from_the_trash_asks_first(
    client: PageClient, inbox: str, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, mail("Ada <ada@example.com>", "Old", "Body", 1), folder="Trash")
    trash = next(one.id for one in folders.known(mailbox.id) if one.role == "trash")
    path = f"/triage/{mailbox.id}/{trash}"
    db.session.commit()
    word = word_of(text(client, path), 1)
    asked = client.submit("/triage/act", {"mails": word, "do": "delete", "back": path})
    assert "cannot be undone" in asked.get_data(as_text=True)
    assert len(flags_of(dovecot, login, "Trash")) == 1
    data = {"mails": word, "do": "delete", "back": path, "sure": "1"}
    client.submit("/triage/act", data)
    assert flags_of(dovecot, login, "Trash") == {}
    assert "mails" not in toast(client, path)


def test_other_orders_need_the_index(
    client: PageClient, inbox: str, mailbox: Mailbox
) -> None:
    assert "needs the local index" in text(client, f"{inbox}?sort=subject")
    folders.fresh(mailbox, force=True)
    db.session.commit()
    assert list(iter(indexing.index_next, False))
    db.session.commit()
    page = text(client, f"{inbox}?sort=size")
    assert page.count('name="mails"') == 50
    older = re.search(r'rel="next"\s+href="([^"]+)"', page)
    assert older
    assert "sort=size" in older[1]
    second = text(client, older[1].replace("&amp;", "&"))
    assert second.count('name="mails"') == 6


def test_going_to_a_day(client: PageClient, inbox: str) -> None:
    assert text(client, f"{inbox}?day=2001-01-01").count('name="mails"') == 0
    assert text(client, f"{inbox}?day=2199-01-01").count('name="mails"') == 50
    assert text(client, f"{inbox}?day=nonsense").count('name="mails"') == 50


def test_a_conversation_is_listed(
    client: PageClient, inbox: str, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    first = mail("Ada <ada@example.com>", "One", "Body", 1)
    second = mail("Zoë <zoe@example.com>", "Re: One", "Body", 2)
    for one, name in ((first, "first"), (second, "second")):
        del one["Message-ID"]
        one["Message-ID"] = f"<{name}@example.com>"
    second["In-Reply-To"] = "<first@example.com>"
    put(dovecot, login, first, second)
    folders.fresh(mailbox, force=True)
    db.session.commit()
    assert list(iter(indexing.index_next, False))
    db.session.commit()
    page = text(client, links(text(client, inbox))[0].replace("&amp;", "&"))
    assert "2 mails in this conversation" in page
    assert re.search(r">Ada</bdi></a>", page)


def test_what_is_worth_knowing_stands_above_the_mail(
    client: PageClient, api: ApiClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    html = "<p>Hi</p><p hidden>a long hidden text</p><b>&lt;i&gt;</b>"
    head = 'From: "<b>boss@bank.example" <x@evil.example>\r\nContent-Type: text/html'
    put(dovecot, login, f"{head}\r\n\r\n{html}".encode())
    inbox = folders.fresh(mailbox, force=True)[0]
    place = (mailbox.id, inbox.id)
    db.session.commit()
    page = client.get("/triage/{}/{}/1".format(*place)).get_data(as_text=True)
    assert "This mail contains text that its sender hides." in page
    assert "but the mail says it is from x@evil.example" in page
    path = "/mailboxes/{}/folders/{}/mails/1?fields=hints".format(*place)
    kinds = [hint["kind"] for hint in api.get(path).get_json()["hints"]]
    assert kinds == ["other_address", "hidden_text"]


def test_all_folders_of_a_mailbox_are_searched_together(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    letter = mail("Zoë <z@example.com>", "Winter fair", "Hello", 90)
    put(dovecot, login, letter, folder="Archive")
    within = text(client, f"{inbox}?q=subject:fair")
    assert "Winter fair" not in within
    everywhere = re.search(r'href="([^"]*all=1[^"]*)"', within)
    assert everywhere
    page = text(client, everywhere[1].replace("&amp;", "&"))
    assert "Winter fair" in page
    assert "Newsletter of the fair" in page
    assert ">Archive</bdi>" in page
    [row] = [one for one in page.split("<li>") if "Winter fair</bdi>" in one]
    opened = text(client, links(row)[0].replace("&amp;", "&"))
    assert re.search(r'id="subj">\s*<bdi>Winter fair', opened)
    assert "Newsletter of the fair" in opened  # the list is still of all folders


def test_all_folders_page_by_page(client: PageClient, inbox: str) -> None:
    path = f"/triage/{inbox.split('/')[2]}?all=1"
    page = text(client, path)
    older = re.search(r'rel="next"\s+href="([^"]*)"', page)
    assert older
    following = text(client, older[1].replace("&amp;", "&"))
    first, second = (
        set(re.findall(r'value="(\d+\.\d+\.\d+)"', one)) for one in (page, following)
    )
    assert (len(first), len(second), len(first & second)) == (50, 6, 0)
    assert "This page is not known" in text(client, f"{path}&cursor=x")
