"""SECURITY 19: guessing gets slow, and tells nobody who exists."""

import statistics
import time
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.conftest import PASSWORD, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators import service
from webapp.operators.models import Operator, SignInFailure

NOBODY = "nobody@example.org"


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it always be the instant of the last failure.

    The first wait is one second; on a busy machine a try may take longer.
    """

    def last_failure() -> datetime:
        return db.session.scalar(sa.select(sa.func.max(SignInFailure.at))) or now()

    monkeypatch.setattr(service, "now", last_failure)


def fail(email: str, times: int, address: str = "192.0.2.7") -> None:
    for _ in range(times):
        with pytest.raises(Invalid):
            service.authenticate(email, "wrong", address)


def test_after_five_failures_even_the_right_password_has_to_wait(
    operator: Operator,
) -> None:
    fail(operator.email, service.FREE_TRIES)
    with pytest.raises(Invalid):
        service.authenticate(operator.email, PASSWORD, "192.0.2.7")


def test_four_failures_cost_nothing(operator: Operator) -> None:
    fail(operator.email, service.FREE_TRIES - 1)
    assert service.authenticate(operator.email, PASSWORD, "192.0.2.7") is not None


def test_the_wait_grows_and_is_bounded(operator: Operator) -> None:
    fail(operator.email, service.FREE_TRIES)
    first = service.seconds_to_wait(operator.email, None)
    fail(operator.email, 3)
    later = service.seconds_to_wait(operator.email, None)
    fail(operator.email, 12)
    assert first < later <= service.seconds_to_wait(operator.email, None)
    assert service.seconds_to_wait(operator.email, None) <= 15 * 60


def test_the_wait_passes(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(operator.email, service.FREE_TRIES)
    monkeypatch.setattr(service, "now", now)
    past = now() - timedelta(seconds=30)
    db.session.execute(sa.update(SignInFailure).values(at=past))
    db.session.commit()
    assert service.authenticate(operator.email, PASSWORD, "192.0.2.7") is not None


def test_other_addresses_do_not_help(operator: Operator) -> None:
    for last in range(service.FREE_TRIES):
        fail(operator.email, 1, f"192.0.2.{last}")
    assert service.seconds_to_wait(operator.email, "198.51.100.1") > 0


@pytest.mark.usefixtures("app")
def test_one_address_trying_many_accounts_has_to_wait() -> None:
    for number in range(service.FREE_TRIES * 10):
        key = service._failure_key("ip", "192.0.2.7")
        db.session.add(SignInFailure(key=key))
        assert number >= 0
    db.session.commit()
    assert service.seconds_to_wait("fresh@example.org", "192.0.2.7") > 0
    assert service.seconds_to_wait("fresh@example.org", "192.0.2.8") == 0


def test_unknown_accounts_wait_and_read_the_same(
    anonymous: PageClient, operator: Operator
) -> None:
    pages = []
    for email in (operator.email, NOBODY):
        fail(email, service.FREE_TRIES - 1)
        answer = anonymous.submit("/login", {"email": email, "password": "no"})
        pages.append(answer.text.replace(email, ""))
    assert "Too many tries" in pages[0]
    assert pages[0] == pages[1]


def test_unknown_accounts_take_the_same_time(operator: Operator) -> None:
    def median(email: str) -> float:
        times = []
        for _ in range(7):
            begun = time.process_time()
            fail(email, 1)
            times.append(time.process_time() - begun)
        return statistics.median(times)

    median(operator.email)
    ratio = median(operator.email) / median(NOBODY)
    assert 1 / 3 < ratio < 3
