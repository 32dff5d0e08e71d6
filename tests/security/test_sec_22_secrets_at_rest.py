"""SECURITY 22: a sender's password is sealed, write-only, and found nowhere else."""

import base64
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.conftest import ApiClient, PageClient
from tests.senders.factories import VALUES, make_sender
from tests.support.smtp_servers import RecordingServer
from webapp.core import queue, secrets
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.secrets import CannotUnseal
from webapp.senders import service
from webapp.senders.models import Sender
from webapp.senders.transports import open_transport, unsealed_password

CANARY = "canary-4f1d-in-a-coal-mine"
SIGNED_IN = {"authentication": "password", "login": "desk", "password": CANARY}
MAIL = b"Subject: x\r\n\r\nHello\r\n"
SHAPES = (
    CANARY.encode(),
    base64.b64encode(CANARY.encode()),
    base64.b64encode(f"\0desk\0{CANARY}".encode()),
    CANARY.encode().hex().encode(),
    repr(list(CANARY.encode())).encode(),
)


def holds_canary(content: bytes | str) -> bool:
    """Say whether the password is in there, plain or in a usual disguise."""
    raw = content.encode() if isinstance(content, str) else content
    return any(shape in raw for shape in SHAPES)


PLACE: dict[str, Any] = {
    "table": "sender",
    "row": 1,
    "column": "password",
    "bound": "mail.example",
}


@pytest.mark.parametrize(
    "other",
    [
        {"table": "mailbox"},
        {"row": 2},
        {"column": "token"},
        {"bound": "mail.evil.example"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_sealed_text_opens_in_its_own_place_alone(
    app: Flask, other: dict[str, Any]
) -> None:
    del app
    sealed = secrets.seal(CANARY, **PLACE)
    assert secrets.unseal(sealed, **PLACE) == CANARY
    with pytest.raises(CannotUnseal):
        secrets.unseal(sealed, **{**PLACE, **other})


def test_what_is_sealed_in_another_way_or_twice_alike_does_not_exist(
    app: Flask,
) -> None:
    del app
    sealed = secrets.seal(CANARY, **PLACE)
    assert sealed != secrets.seal(CANARY, **PLACE)
    with pytest.raises(CannotUnseal):
        secrets.unseal("v2" + sealed.removeprefix(secrets.VERSION), **PLACE)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A server that wants another password, and repeats what it was given."""
    with RecordingServer(credentials=("desk", "another")) as running:
        plain = base64.b64encode(f"\0desk\0{CANARY}".encode()).decode()
        running.answer("auth", f"535 5.7.8 Bad: {plain} {CANARY}", always=True)
        yield running


@pytest.fixture
def sender_id(client: PageClient, server: RecordingServer) -> int:
    """A sender with the canary, made on the page, tested, and sent with."""
    answer = client.submit(
        "/senders/new", {**VALUES, **SIGNED_IN, "port": server.port, "then": "test"}
    )
    assert "does not work yet" in answer.get_data(as_text=True)
    assert not holds_canary(answer.data)
    sender = service.all_senders()[0]
    with open_transport(sender) as transport:
        outcome = transport.hand_over("", ["ada@example.com"], MAIL)
    assert not holds_canary(repr(outcome))
    found: int = sender.id
    db.session.rollback()
    return found


def test_no_page_shows_it(client: PageClient, sender_id: int) -> None:
    paths = ["", "/new", f"/{sender_id}", f"/{sender_id}/test", f"/{sender_id}/delete"]
    for path in paths:
        answer = client.get(f"/senders{path}")
        assert answer.status_code == 200
        assert not holds_canary(answer.data)
    assert not holds_canary(client.get("/activity").data)


def test_a_form_with_mistakes_does_not_give_it_back(client: PageClient) -> None:
    answer = client.submit("/senders/new", {**VALUES, **SIGNED_IN, "name": ""})
    assert answer.status_code == 422
    assert not holds_canary(answer.data)


def test_no_answer_of_the_api_shows_it(api: ApiClient, sender_id: int) -> None:
    for answer in (
        api.get("/senders"),
        api.get(f"/senders/{sender_id}"),
        api.patch(f"/senders/{sender_id}", {"password": CANARY}),
        api.post("/senders", {**VALUES, **SIGNED_IN, "name": "Second"}),
        api.post("/senders", {**VALUES, **SIGNED_IN, "name": ""}),
        api.post(f"/senders/{sender_id}/test", {}),
    ):
        assert not holds_canary(answer.data)


def test_no_file_of_the_installation_holds_it(
    settings: config.Settings, sender_id: int
) -> None:
    del sender_id
    db.session.remove()
    files = [path for path in settings.data_dir.rglob("*") if path.is_file()]
    assert any(path.name == "postroom.db" for path in files)
    assert not [path for path in files if holds_canary(path.read_bytes())]


def test_no_table_holds_it(sender_id: int) -> None:
    del sender_id
    tables = sa.inspect(db.engine).get_table_names()
    assert "audit_entry" in tables
    for table in tables:
        rows = db.session.execute(sa.text(f'SELECT * FROM "{table}"'))  # noqa: S608 - a name from the database itself
        assert not holds_canary(repr(rows.all())), table


def test_redis_does_not_hold_it(sender_id: int) -> None:
    del sender_id
    connection = queue.connection()
    for key in connection.scan_iter():
        assert not holds_canary(connection.dump(key) or b"")


def test_no_log_line_holds_it(
    client: PageClient, server: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.submit(
        "/senders/new", {**VALUES, **SIGNED_IN, "port": server.port, "then": "test"}
    )
    assert not holds_canary(caplog.text)


def test_it_does_not_open_in_another_row(app: Flask) -> None:
    del app
    one = make_sender(**SIGNED_IN)
    other = service.get(make_sender(name="Other", **SIGNED_IN | {"password": "x"}).id)
    other.password_sealed = one.password_sealed
    with pytest.raises(CannotUnseal):
        unsealed_password(other)


def test_it_does_not_open_for_another_host(app: Flask) -> None:
    del app
    sender = make_sender(**SIGNED_IN)
    assert unsealed_password(sender) == CANARY
    sender.host = "attacker.example"
    with pytest.raises(CannotUnseal):
        unsealed_password(sender)


def test_it_does_not_open_with_another_key(app: Flask) -> None:
    sender = make_sender(**SIGNED_IN)
    app.config["POSTROOM"] = config.read({"SECRET_KEY": "another key " * 4})
    with pytest.raises(CannotUnseal):
        unsealed_password(sender)


def test_it_does_not_open_when_a_bit_was_changed(app: Flask) -> None:
    del app
    sealed = secrets.seal(CANARY, table="t", row=1, column="c")
    head, _, body = sealed.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[-1] ^= 1
    forged = f"{head}.{base64.urlsafe_b64encode(raw).decode()}"
    with pytest.raises(CannotUnseal):
        secrets.unseal(forged, table="t", row=1, column="c")


def test_two_seals_of_one_password_differ(app: Flask) -> None:
    del app
    seals = {secrets.seal(CANARY, table="t", row=1, column="c") for _ in range(20)}
    assert len(seals) == 20


def test_moving_a_sender_to_another_host_asks_for_it(app: Flask) -> None:
    """Else whoever edits a sender could have it sent to a server of their own."""
    del app
    with RecordingServer(host="::1", credentials=("desk", CANARY)) as thief:
        sender = make_sender(**SIGNED_IN)
        moved = {
            **VALUES,
            **SIGNED_IN,
            "password": "",
            "host": "::1",
            "port": thief.port,
        }
        with pytest.raises(Invalid):
            service.update(sender.id, moved)
        service.test(sender.id, None)
        assert thief.commands == []
    assert db.session.get(Sender, sender.id).host == "127.0.0.1"  # type: ignore[union-attr]  # it is there


def test_the_key_file_is_ours_alone(tmp_path: Path) -> None:
    config.read({"DATA_DIR": str(tmp_path / "data")})
    key = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
