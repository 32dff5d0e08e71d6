"""Senders: what can be saved, what is sealed, what a test says."""

from typing import Any

import pytest
from flask import Flask

from tests.senders.factories import VALUES, make_sender
from tests.support.smtp_servers import RecordingServer
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.senders import service
from webapp.senders.models import Sender
from webapp.senders.outcome import Kind
from webapp.senders.transports import open_transport, server_of

pytestmark = pytest.mark.usefixtures("app")
SIGNED_IN = {"authentication": "password", "login": "desk", "password": "s3cret-canary"}


def test_what_is_saved_is_normalised() -> None:
    sender = make_sender(host="LOCALHOST.", from_address="Desk@Bücher.Example")
    assert (sender.host, sender.from_address) == (
        "localhost",
        "Desk@xn--bcher-kva.example",
    )


def test_the_password_comes_back_only_for_the_transport() -> None:
    sender = make_sender(**SIGNED_IN)
    assert "s3cret" not in sender.password_sealed
    assert server_of(sender).password == "s3cret-canary"
    assert "s3cret" not in repr(server_of(sender))
    assert "s3cret-canary" not in service.form_values(sender).values()


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"host": ""}, "host", "not a host name"),
        ({"host": "smtp://mail.example.org"}, "host", "without “smtp://”"),
        ({"host": "10.0.0.1"}, "host", "not public"),
        ({"host": "169.254.169.254", "security": "tls"}, "host", "not public"),
        ({"host": "9.9.9.9"}, "host", "Without TLS only hosts"),
        ({"port": None}, "host", "no port 0"),
        ({"ca_pem": "nonsense"}, "ca_pem", "no certificate"),
        ({"authentication": "password"}, "login", "Enter the login"),
        (
            {"authentication": "password", "login": "x"},
            "password",
            "Enter the password",
        ),
        ({"kind": "practice"}, None, ""),
    ],
)
def test_what_does_not_go_together_is_said_at_its_field(
    values: dict[str, Any], field: str | None, words: str
) -> None:
    if field is None:
        assert make_sender(**values).host == ""
        return
    with pytest.raises(Invalid) as caught:
        make_sender(**values)
    assert words in " ".join(caught.value.fields[field])
    assert not service.all_senders()


def test_a_name_is_taken_once() -> None:
    make_sender()
    with pytest.raises(Invalid) as caught:
        make_sender()
    assert "already" in caught.value.fields["name"][0]


def test_an_empty_password_keeps_the_saved_one() -> None:
    sender = make_sender(**SIGNED_IN)
    changed = {**VALUES, **SIGNED_IN, "password": "", "name": "Other"}
    sender = service.update(sender.id, changed)
    assert server_of(sender).password == "s3cret-canary"
    assert sender.version == 2


def test_another_host_asks_for_the_password_again() -> None:
    sender = make_sender(**SIGNED_IN)
    with pytest.raises(Invalid) as caught:
        service.update(
            sender.id, {**VALUES, **SIGNED_IN, "password": "", "host": "localhost"}
        )
    assert "enter the password again" in caught.value.fields["password"][0]
    assert service.get(sender.id).host == "127.0.0.1"


def test_no_authentication_forgets_the_password() -> None:
    sender = make_sender(**SIGNED_IN)
    sender = service.update(sender.id, VALUES)
    assert (sender.login, sender.password_sealed, sender.password_saved_at) == (
        "",
        "",
        None,
    )


def test_an_older_version_is_not_saved_over_a_newer_one() -> None:
    sender = make_sender()
    service.update(sender.id, {**VALUES, "version": 1, "from_name": "Maria"})
    with pytest.raises(Refused, match="newer version"):
        service.update(sender.id, {**VALUES, "version": 1, "from_name": "Ines"})
    assert service.get(sender.id).from_name == "Maria"


def test_a_sender_that_nothing_uses_can_go() -> None:
    sender_id = make_sender().id
    service.delete(sender_id)
    with pytest.raises(NotFound):
        service.get(sender_id)


def test_a_test_goes_through_every_step() -> None:
    with RecordingServer(credentials=("desk", "s3cret-canary")) as server:
        sender = make_sender(
            **SIGNED_IN, port=server.port, bounce_address="b@example.org"
        )
        result = service.test(sender.id, "ines@example.org")
    assert [(step.name, step.state) for step in result.steps] == [
        ("connect", "ok"),
        ("tls", "skipped"),
        ("sign_in", "ok"),
        ("send", "ok"),
    ]
    assert server.copies() == {"ines@example.org": 1}
    assert server.mails[0].mail_from == "b@example.org"
    assert (
        b"Subject: Test of the sender" in server.mails[0].data
        or b"=?utf-8?" in server.mails[0].data
    )
    assert service.get(sender.id).last_ok_at is not None


def test_a_wrong_password_is_tried_once_and_said() -> None:
    with RecordingServer(credentials=("desk", "another")) as server:
        sender = make_sender(**SIGNED_IN, port=server.port)
        result = service.test(sender.id, "ines@example.org")
        assert server.said().count("AUTH") == 1
    states = [step.state for step in result.steps]
    assert states == ["ok", "skipped", "failed", "waiting"]
    assert "does not accept this login and password" in result.failure
    assert result.steps[2].reply.startswith("535 5.7.8")
    sender = service.get(sender.id)
    assert sender.last_error == result.failure
    assert sender.last_ok_at is None


def test_a_test_of_nobody_there() -> None:
    sender = make_sender(port=1)
    result = service.test(sender.id, None)
    assert [step.state for step in result.steps] == [
        "failed",
        "waiting",
        "waiting",
        "waiting",
    ]
    assert "Nothing answers at 127.0.0.1 port 1" in result.failure


def test_a_test_that_sends_nothing() -> None:
    with RecordingServer() as server:
        result = service.test(make_sender(port=server.port).id, None)
    assert result.is_ok
    assert not server.mails


@pytest.mark.parametrize("answer", ["550 5.7.1 Spam", "DROP"])
def test_a_refused_test_message_is_said(answer: str) -> None:
    with RecordingServer() as server:
        server.answer("dot", answer)
        result = service.test(make_sender(port=server.port).id, "ines@example.org")
    assert result.steps[-1].state == "failed"
    assert result.failure


def test_a_password_sealed_for_another_place_is_not_used(app: Flask) -> None:
    del app
    sender = service.get(make_sender(**SIGNED_IN).id)
    sender.host = "localhost"
    db.session.commit()
    result = service.test(sender.id, None)
    assert "Enter it again" in result.failure


def test_a_dry_run_sends_nothing() -> None:
    sender = service.get(make_sender(kind="dry_run").id)
    assert service.test(sender.id, "ines@example.org").is_ok
    with open_transport(sender) as transport:
        outcome = transport.hand_over(
            "", ["ada@example.com"], b"Subject: x\r\n\r\nx\r\n"
        )
    assert (outcome.kind, outcome.code) == (Kind.ACCEPTED, None)


def test_a_practice_sender_that_finds_no_server_says_so() -> None:
    result = service.test(make_sender(kind="practice").id, None)
    assert "Is the server running?" in result.failure


def test_a_sender_that_does_not_exist() -> None:
    with pytest.raises(NotFound):
        service.update(999, VALUES)
    assert db.session.query(Sender).count() == 0
