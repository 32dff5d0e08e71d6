"""Figures, times and addresses, as everybody sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask, g

from webapp.core import presentation
from webapp.core.clock import now
from webapp.operators.access import Actor
from webapp.operators.models import Operator

AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


def in_zone(app: Flask, zone: str) -> str:
    with app.test_request_context("/"):
        g.actor = Actor(Operator(name="x", time_zone=zone), frozenset())
        return presentation.absolute(AT)


def test_absolute_times_carry_the_offset_of_the_operator(app: Flask) -> None:
    assert in_zone(app, "UTC") == "29 March 2026, 00:30:00 UTC+00:00"
    assert in_zone(app, "Asia/Kathmandu") == "29 March 2026, 06:15:00 UTC+05:45"
    assert in_zone(app, "America/New_York") == "28 March 2026, 20:30:00 UTC-04:00"


def test_a_zone_that_is_none_is_utc(app: Flask) -> None:
    assert in_zone(app, "Mars/Base").endswith("UTC+00:00")


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=5), "5 s ago"),
        (timedelta(minutes=7), "7 min ago"),
        (timedelta(days=800), None),
    ],
)
def test_relative_times(
    app: Flask, ago: timedelta, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    monkeypatch.setattr(presentation, "now", lambda: at)
    with app.test_request_context("/"):
        said = presentation.relative(at - ago)
    assert said == words if words else str((at - ago).year) in said


def test_times_to_come_are_not_in_the_past(app: Flask) -> None:
    with app.test_request_context("/"):
        assert "ago" not in presentation.relative(now() + timedelta(minutes=3))


def test_a_time_element_can_be_read_by_machines(app: Flask) -> None:
    with app.test_request_context("/"):
        tag = presentation.time_tag(AT, "full")
        assert 'datetime="2026-03-29T00:30:00+00:00"' in tag
        assert presentation.time_tag(None) == ""


def test_figures_never_break_over_a_line() -> None:
    assert " " not in presentation.figure(1234567)
    assert presentation.figure(12.345) == "12.3"
    assert presentation.figure(0) == "0"


def test_addresses_break_before_the_at() -> None:
    assert presentation.address_tag("a@b.c") == "<bdi>a<wbr>@b.c</bdi>"
    assert presentation.address_tag("no address") == "<bdi>no address</bdi>"
