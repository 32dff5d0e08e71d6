"""SECURITY 22: a new secret key; what is sealed is sealed anew, no link dies."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

import config
import webapp
from tests.conftest import ApiClient, PageClient
from tests.senders.factories import make_sender
from webapp.campaigns import letters, message_tokens
from webapp.core import secrets
from webapp.core.db import Base, db
from webapp.core.ids import uuid7
from webapp.core.secrets import CannotUnseal
from webapp.mailboxes import resealing as mailboxes_resealing
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.reach import seal, unsealed
from webapp.operators.models import AuditEntry
from webapp.senders import keys, service, signing
from webapp.senders import resealing as senders_resealing
from webapp.senders.models import DkimKey, Sender
from webapp.senders.transports import unsealed_password

PASSWORD = "canary-in-a-coal-mine"
SIGNED_IN = {"authentication": "password", "login": "desk", "password": PASSWORD}


@pytest.fixture
def environ(settings: config.Settings) -> dict[str, str]:
    """The environment of an installation that made its own key."""
    return {
        "DATA_DIR": str(settings.data_dir),
        "REDIS_URL": settings.redis_url or "",
        "BASE_URL": settings.base_url,
        "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    }


@contextmanager
def started(environ: dict[str, str]) -> Iterator[Flask]:
    """The application as it starts now, with the keys that it finds."""
    app = webapp.create_app(config.read(environ))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def run(app: Flask, *args: str) -> Result:
    """Run a command."""
    return app.test_cli_runner().invoke(args=list(args))


def fill() -> tuple[int, int]:
    """A sender and a mailbox with passwords, and a DKIM key that signs."""
    sender = make_sender(**SIGNED_IN)
    keys.activate(sender.id, keys.make(sender.id, {"algorithm": "ed25519"}).id)
    mailbox = Mailbox(name="Desk", host="127.0.0.1", port=143, login="desk")
    db.session.add(mailbox)
    db.session.flush()
    seal(mailbox, PASSWORD)
    db.session.commit()
    return sender.id, mailbox.id


def opened(sender_id: int, mailbox_id: int) -> tuple[Any, ...]:
    """What opens now."""
    found = (
        unsealed_password(service.get(sender_id)),
        unsealed(db.session.get_one(Mailbox, mailbox_id)),
        len(signing.signers("desk@example.org")),
    )
    db.session.rollback()
    return found


def sealed_texts() -> list[str]:
    """Every sealed text in the database."""
    columns = (Sender.password_sealed, Mailbox.password_sealed, DkimKey.private_sealed)
    found = [text for one in columns for text in db.session.scalars(sa.select(one))]
    db.session.rollback()
    return found


def test_the_whole_way_of_a_rotation(environ: dict[str, str]) -> None:
    key_file = Path(environ["DATA_DIR"]) / "secret.key"
    with started(environ) as app:
        ids = fill()
        before = key_file.read_text().split()
        token = message_tokens.sign(letters.token_key(), uuid7(), "unsubscribe")
        result = run(app, "secrets", "rotate")
        assert result.exit_code == 0, result.output
        assert "restart" in result.output
        assert opened(*ids) == (PASSWORD, PASSWORD, 1)
    lines = key_file.read_text().split()
    assert lines[1:] == before
    assert lines[0] != before[0]
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert not any(line in result.output for line in lines)
    with started(environ) as app:
        assert opened(*ids) == (PASSWORD, PASSWORD, 1)
        assert not any(map(secrets.is_sealed_anew, sealed_texts()))
        read = message_tokens.read_by_any(letters.token_keys(), token, "unsubscribe")
        assert read is not None
        result = run(app, "secrets", "reseal")
        assert (result.exit_code, result.stdout) == (
            0,
            "Sealed with the key in use: 3.\n",
        )
        assert all(map(secrets.is_sealed_anew, sealed_texts()))
        again = run(app, "secrets", "reseal")
        assert "in use: 0" in again.stdout
        actions = set(db.session.scalars(sa.select(AuditEntry.action)))
        assert {"secrets.rotated", "secrets.resealed"} <= actions
        db.session.rollback()
    key_file.write_text(lines[0])
    with started(environ):
        assert opened(*ids) == (PASSWORD, PASSWORD, 1)


def test_what_no_key_opens_is_named_and_the_rest_is_sealed(
    environ: dict[str, str],
) -> None:
    with started(environ) as app:
        sender_id, _mailbox = fill()
        broken = service.get(sender_id)
        broken.password_sealed = broken.password_sealed[:-8] + "AAAAAAA="
        db.session.commit()
        assert run(app, "secrets", "rotate").exit_code == 0
    with started(environ) as app:
        result = run(app, "secrets", "reseal")
        assert result.exit_code == 1
        assert "No key opens: password of the sender Newsletter" in result.output
        assert "in use: 2" in result.output
        assert PASSWORD not in result.output


def test_without_the_old_key_nothing_opens(environ: dict[str, str]) -> None:
    with started(environ):
        sender_id, _mailbox = fill()
    with (
        started({**environ, "SECRET_KEY": "another " * 8}),
        pytest.raises(CannotUnseal),
    ):
        unsealed_password(service.get(sender_id))


def test_a_key_in_the_environment_is_rotated_there(environ: dict[str, str]) -> None:
    old, new = "x" * 40, "y" * 40
    with started({**environ, "SECRET_KEY": old}) as app:
        ids = fill()
        refused = run(app, "secrets", "rotate")
        assert refused.exit_code == 1
        assert "OLD_SECRET_KEYS" in refused.output
    with started({**environ, "SECRET_KEY": new, "OLD_SECRET_KEYS": old}) as app:
        assert run(app, "secrets", "reseal").exit_code == 0
    with started({**environ, "SECRET_KEY": new}):
        assert opened(*ids) == (PASSWORD, PASSWORD, 1)


def test_a_short_old_key_stops_the_start(environ: dict[str, str]) -> None:
    with pytest.raises(config.SettingsError, match="OLD_SECRET_KEYS"):
        config.read({**environ, "OLD_SECRET_KEYS": "short"})


def test_api_tokens_and_sessions_outlive_the_key(
    app: Flask, settings: config.Settings, api: ApiClient, client: PageClient
) -> None:
    strange = replace(settings, secret_key=b"new " * 10)
    app.config["POSTROOM"] = strange
    assert api.get("/senders").status_code == 401
    assert client.get("/senders").status_code == 303
    app.config["POSTROOM"] = replace(strange, old_secret_keys=(settings.secret_key,))
    assert api.get("/senders").status_code == 200
    assert client.get("/senders").status_code == 200


def test_every_sealed_column_is_sealed_anew() -> None:
    """A new secret has to be told to one of the resealers."""
    sealed = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_sealed")
    }
    assert sealed == senders_resealing.SEALED | mailboxes_resealing.SEALED
