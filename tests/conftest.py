"""Fixtures that every test may use: an application, a fresh database, two clients.

`client` is a signed-in manager's browser without JavaScript; `client.submit` posts a
form with a valid CSRF token. `api` calls ``/api/v1`` with a token of all scopes.
"""

import gc
import os
import shutil
import uuid
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

import config
from tests.support.application import running_app
from tests.support.dovecot import PASSWORD as DOVECOT_PASSWORD
from tests.support.dovecot import POOR, Dovecot, running
from tests.support.patience import be_patient
from tests.support.postgres import Cluster, running_postgres
from tests.support.quiet import forget, running_a_test
from tests.support.redis_server import PATIENT, running_redis
from tests.support.rubbish import place
from webapp.core import queue, schema
from webapp.core.db import db
from webapp.core.secrets import token_hash
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.pool import pool
from webapp.operators import passwords, tokens
from webapp.operators.models import Operator, OperatorSession

PASSWORD = "four words are good enough"
# One digest for all tests: Argon2 is slow on purpose.
PASSWORD_HASH = passwords.hash_password(PASSWORD)


# Files that hold up a worker for long come first, so that none of them comes last.
LONG_FIRST = (
    "journey/test_first_minute.py",  # alone for a while; the next begin with short ones
    "delivery/test_engine.py",
    "delivery/test_leases.py",
    "delivery/test_postgres.py",
    "chaos/test_storm.py",
    "chaos/test_points.py",
    "delivery/test_worker.py",
    "journey/test_loop_by_api.py",
    "delivery/test_hands.py",
    "chaos/",
    "journey/",
    "test_browser.py",
    "delivery/",
)


def pytest_configure() -> None:
    """Let `tmp_path` be where `place` says; few tests are about a busy machine."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place())
    # The same examples in each run, so that a run says something about a change; with
    # HYPOTHESIS=explore others each time.
    hypothesis_settings.register_profile(
        "busy machine",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=os.environ.get("HYPOTHESIS") != "explore",
    )
    hypothesis_settings.load_profile("busy machine")
    be_patient()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long."""

    def rank(item: pytest.Item) -> int:
        path = item.path.as_posix()
        places = (n for n, part in enumerate(LONG_FIRST) if part in path)
        return next(places, len(LONG_FIRST))

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Begin no test while another needs a quiet machine."""
    with running_a_test():
        return (yield)


def pytest_sessionfinish() -> None:
    """Leave no lock file."""
    forget()


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of each later garbage collection.

    Each application is one large circle of references, so the collector runs often;
    without this it goes through all modules and all tests each time, 0.2 s of it.
    """
    gc.collect()
    gc.freeze()


class PageClient(FlaskClient):
    """A browser without JavaScript."""

    def submit(self, path: str, data: dict[str, Any] | None = None) -> TestResponse:
        """Post a form with the CSRF token of this session."""
        with self.session_transaction() as session:
            raw = session.setdefault("csrf_token", "0" * 40)
        key = self.application.secret_key
        token = URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(raw)  # type: ignore[arg-type]  # bytes are fine
        return self.post(path, data={**(data or {}), "csrf_token": token})


class ApiClient:
    """Calls ``/api/v1`` with a token."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, json: Any = None, **kw: Any) -> TestResponse:
        headers = {**self.headers, **kw.pop("headers", {})}
        if json is not None:
            kw["json"] = json
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **kw)

    def get(self, path: str, **kw: Any) -> TestResponse:
        return self.call("GET", path, **kw)

    def post(self, path: str, json: Any = None, **kw: Any) -> TestResponse:
        return self.call("POST", path, json, **kw)

    def patch(self, path: str, json: Any = None, **kw: Any) -> TestResponse:
        return self.call("PATCH", path, json, **kw)

    def delete(self, path: str, **kw: Any) -> TestResponse:
        return self.call("DELETE", path, **kw)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables and no row, made once by the migrations."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis on a unix socket, for this test run only.

    The product takes one that is silent for two seconds for gone; here only the machine
    is busy.
    """
    with running_redis(tmp_path_factory.mktemp("redis")) as address:
        yield f"{address}?{PATIENT}"


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A real PostgreSQL, for this test run only."""
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture
def postgres_settings(
    tmp_path: Path, postgres_cluster: Cluster, redis_address: str
) -> config.Settings:
    """Settings of an installation on PostgreSQL; its database has all tables, no row.

    `running_app` (tests/support/application.py) makes the application of it.
    """
    return config.read(
        {
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": postgres_cluster.new_desk(),
            "REDIS_URL": redis_address,
            "SECRET_KEY": "test " * 8,
            "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        }
    )


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A real IMAP server; every login is a fresh account."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def poor_dovecot() -> Iterator[Dovecot]:
    """The same server, hiding every extension that can be missed."""
    with running(capability=POOR) as server:
        yield server


@pytest.fixture
def login() -> str:
    """A login that no other test has used."""
    return f"u{uuid.uuid4().hex[:12]}"


@pytest.fixture
def mailbox(app: Flask, dovecot: Dovecot, login: str) -> Mailbox:
    """A connected mailbox on the real server."""
    del app
    return mailboxes.create(
        name="hello@harbourlibrary.example",
        host=dovecot.host,
        port=dovecot.port,
        security="none",
        login=login,
        password=DOVECOT_PASSWORD,
    )


@pytest.fixture
def settings(
    tmp_path: Path, empty_database: Path, redis_address: str
) -> config.Settings:
    """Settings of an installation in an empty directory."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    shutil.copy(empty_database, data_dir / "postroom.db")
    return config.read(
        {
            "DATA_DIR": str(data_dir),
            "REDIS_URL": redis_address,
            "BASE_URL": "https://post.example.org",
            "SECRET_KEY": "test " * 8,
            "ALLOWED_PRIVATE_HOSTS": "127.0.0.1,localhost,::1",
        }
    )


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    """The application, inside its context, with an empty queue."""
    with running_app(settings) as app:
        app.config["TESTING"] = True
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.config["SESSION_COOKIE_SECURE"] = False
        app.test_client_class = PageClient
        # Requests share the session of the test: what they left open ends with them.
        app.teardown_request(lambda _error: db.session.rollback())
        queue.connection().flushdb()
        yield app
        pool.close()


@pytest.fixture
def operator(app: Flask) -> Operator:
    """A manager whose password is `PASSWORD`."""
    del app
    operator = Operator(
        name="Ines Carvalho",
        email="ines@example.org",
        email_key="ines@example.org",
        password_hash=PASSWORD_HASH,
    )
    db.session.add(operator)
    db.session.commit()
    return operator


@pytest.fixture
def client(app: Flask, operator: Operator) -> PageClient:
    """The browser of the signed-in manager."""
    db.session.add(
        OperatorSession(token_hash=token_hash("test"), operator_id=operator.id)
    )
    db.session.commit()
    client = app.test_client()
    assert isinstance(client, PageClient)
    with client.session_transaction() as session:
        session["sid"] = "test"
    return client


@pytest.fixture
def anonymous(app: Flask) -> PageClient:
    """A browser in which nobody is signed in."""
    client = app.test_client()
    assert isinstance(client, PageClient)
    return client


@pytest.fixture
def api(app: Flask, operator: Operator) -> ApiClient:
    """The API with a token of all scopes."""
    _token, text = tokens.create(operator, "tests", tokens.SCOPES)
    return ApiClient(app.test_client(), text)
