from datetime import timedelta

import pytest
from flask import Flask

from tests.mailboxes.samples import fill, mail, put
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.fake_imap import fake_imap
from tests.support.ports import free_port
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.mailboxes import filing, folders, mails, reach, service
from webapp.mailboxes.address_line import AddressLineError, parse
from webapp.mailboxes.filing import Choice
from webapp.mailboxes.imap_errors import FolderGone, SignInRefused, Unreachable
from webapp.mailboxes.models import Folder, Mailbox, MailboxState
from webapp.mailboxes.pool import pool


def values(mailbox: Mailbox, **changed: object) -> dict[str, object]:
    return {**service.shown(mailbox), "password": "", **changed}


def inbox(mailbox: Mailbox) -> Folder:
    return next(f for f in folders.fresh(mailbox, force=True) if f.role == "inbox")


def test_the_password_is_sealed(mailbox: Mailbox) -> None:
    assert PASSWORD not in mailbox.password_sealed
    assert reach.unsealed(mailbox) == PASSWORD


def test_without_a_password_the_old_one_stays(mailbox: Mailbox) -> None:
    service.change(mailbox, **values(mailbox, name="New name"))
    assert reach.unsealed(mailbox) == PASSWORD
    assert mailbox.name == "New name"


def test_another_host_asks_for_the_password_again(mailbox: Mailbox) -> None:
    with pytest.raises(Invalid) as caught:
        service.change(mailbox, **values(mailbox, host="imap.attacker.example"))
    assert "password" in caught.value.fields
    db.session.refresh(mailbox)
    assert mailbox.host == "127.0.0.1"


def test_a_test_at_another_host_never_uses_the_saved_password(
    mailbox: Mailbox,
) -> None:
    with fake_imap({}) as server:
        changed = values(mailbox, host="localhost", port=server.port)
        with pytest.raises(Invalid):
            service.probe_values(mailbox, **changed)
        assert server.heard == []


def test_two_mailboxes_cannot_have_one_name(mailbox: Mailbox) -> None:
    with pytest.raises(Invalid) as caught:
        service.create(**{**values(mailbox), "password": "x"})
    assert "name" in caught.value.fields


def test_a_good_account_tests_well(mailbox: Mailbox) -> None:
    tested = service.probe_values(mailbox, **values(mailbox))
    assert tested.ok
    assert "found 3 folders" in tested.words


@pytest.mark.parametrize(
    ("changed", "step"),
    [({"password": "wrong"}, "sign in"), ({"security": "tls"}, "tls")],
)
def test_a_test_names_the_step_that_failed(
    mailbox: Mailbox, changed: dict[str, object], step: str
) -> None:
    tested = service.probe_values(mailbox, **values(mailbox, **changed))
    assert not tested.ok
    assert tested.steps[-1] == (step, False)


def test_folders_are_remembered_with_counts(
    mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    fill(dovecot, login, 6)
    found = folders.fresh(mailbox, force=True)
    assert [folder.name for folder in found] == [
        "INBOX",
        "Entwürfe",
        "Sent",
        "Archive",
        "Trash",
        "Projects",
        "Projects.2027",
    ]
    assert (found[0].total, found[0].unseen) == (8, 6)
    assert db.session.get(Mailbox, mailbox.id).state is MailboxState.OK  # type: ignore[union-attr]  # it is there


def test_a_folder_that_vanished_leaves_the_list(
    mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    client = dovecot.client(login)
    client.create("Box")
    box = next(f for f in folders.fresh(mailbox, force=True) if f.name == "Box")
    client.delete("Box")
    client.logout()
    with pytest.raises(FolderGone):
        mails.listed(box)
    assert "Box" not in [folder.name for folder in folders.known(mailbox.id)]


def test_a_wrong_password_needs_attention_and_is_not_tried_again(
    app: Flask, mailbox: Mailbox
) -> None:
    del app
    answers = {"AUTHENTICATE": "TAG NO [AUTHENTICATIONFAILED] Wrong.\r\n"}
    with fake_imap(answers) as server:
        service.change(mailbox, **values(mailbox, port=server.port))
        for _ in range(3):
            with pytest.raises(SignInRefused):
                folders.fresh(mailbox, force=True)
        assert server.count("AUTHENTICATE") == 1
        pool.close()
    assert mailbox.state is MailboxState.NEEDS_ATTENTION
    assert "refused the login or the password" in mailbox.state_words


def test_a_new_password_mends_it(
    mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    service.change(mailbox, **values(mailbox, password="wrong"))
    with pytest.raises(SignInRefused):
        folders.fresh(mailbox, force=True)
    service.change(mailbox, **values(mailbox, password=PASSWORD))
    put(dovecot, login, mail("a@example.com", "Hi", "x"))
    assert inbox(mailbox).total == 1
    assert mailbox.state is MailboxState.OK


def test_an_unreachable_server_backs_off_and_is_never_switched_off(
    mailbox: Mailbox, dovecot: Dovecot
) -> None:
    service.change(mailbox, **values(mailbox, port=free_port()))
    waits = []
    for _ in range(3):
        with pytest.raises(Unreachable):
            folders.fresh(mailbox, force=True)
        assert mailbox.state is MailboxState.RETRYING
        assert mailbox.retry_at
        waits.append((mailbox.retry_at - now()).total_seconds())
        mailbox.retry_at = now() - timedelta(seconds=1)
        db.session.commit()
    assert waits == sorted(waits)
    mailbox.port = dovecot.port
    db.session.commit()
    assert inbox(mailbox).total == 0


def test_a_waiting_mailbox_is_not_asked(mailbox: Mailbox) -> None:
    with fake_imap({"AUTHENTICATE": "TAG NO [UNAVAILABLE] later\r\n"}) as server:
        service.change(mailbox, **values(mailbox, port=server.port))
        for _ in range(3):
            with pytest.raises(Unreachable):
                folders.fresh(mailbox, force=True)
        assert server.count("AUTHENTICATE") == 1


def test_a_person_may_try_again(mailbox: Mailbox, dovecot: Dovecot) -> None:
    service.change(mailbox, **values(mailbox, port=free_port()))
    with pytest.raises(Unreachable):
        folders.fresh(mailbox, force=True)
    mailbox.port = dovecot.port
    db.session.commit()
    service.try_again(mailbox)
    assert inbox(mailbox).total == 0


def test_a_deleted_mailbox_is_gone_and_its_name_free(mailbox: Mailbox) -> None:
    old = values(mailbox)
    folder_id = inbox(mailbox).id
    service.delete(mailbox)
    assert service.all_mailboxes() == []
    assert mailbox.password_sealed == ""
    with pytest.raises(NotFound):
        folders.get(folder_id)
    service.create(**{**old, "password": PASSWORD})


def test_flags_by_search(mailbox: Mailbox, dovecot: Dovecot, login: str) -> None:
    fill(dovecot, login, 12)
    choice = Choice(text="from:ada")
    changed = filing.change_flags(inbox(mailbox), choice, add=["\\Flagged"])
    assert len(changed) == 2


def test_no_choice_changes_nothing(
    mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    fill(dovecot, login, 3)
    assert filing.change_flags(inbox(mailbox), Choice(), add=["\\Seen"]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("imaps://a:b@h.example", ("h.example", 993, "tls", "a", "b")),
        ("IMAP://a:b@h.example:1143", ("h.example", 1143, "starttls", "a", "b")),
        (
            "imaps://a%40b.c:p%2F%3A%40@h.example/",
            ("h.example", 993, "tls", "a@b.c", "p/:@"),
        ),
        ("imaps://%C3%BC:%25@h.example", ("h.example", 993, "tls", "ü", "%")),
        ("imaps://h.example", ("h.example", 993, "tls", "", "")),
    ],
)
def test_address_lines(text: str, expected: tuple[object, ...]) -> None:
    line = parse(text)
    found = (line.host, line.port, line.security, line.login, line.password)
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://a:b@h",
        "imaps://a:b@",
        "imaps://a:b@c:d@h",
        "imaps://a:b@h:99999",
        "imaps://a:100%@h",
        "imaps://a:%FF@h",
        "imaps://a:%0D%0A@h",
        "",
    ],
)
def test_what_is_no_address_line(text: str) -> None:
    with pytest.raises(AddressLineError):
        parse(text)
