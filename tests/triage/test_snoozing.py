"""When snoozed mails come back, also where the clock is put on or back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from webapp.triage.snoozing import until

LISBON = ZoneInfo("Europe/Lisbon")


@pytest.mark.parametrize(
    ("here", "choice", "there"),
    [
        # The clock is put on at one on 29 March 2026, and back at two on 25 October.
        ("2026-03-29T00:30", "later", "2026-03-29T03:30"),
        ("2026-10-25T00:30", "later", "2026-10-25T02:30"),
        ("2026-03-28T20:00", "tomorrow", "2026-03-29T07:00"),
        ("2026-10-24T20:00", "tomorrow", "2026-10-25T08:00"),
        ("2026-10-24T16:00", "later", "2026-10-24T17:00"),
    ],
)
def test_hours_and_mornings(here: str, choice: str, there: str) -> None:
    found = until(choice, "", datetime.fromisoformat(here).replace(tzinfo=LISBON))
    assert found
    assert f"{found.astimezone(UTC):%Y-%m-%dT%H:%M}" == there
