"""The time, always aware and always UTC; the one place that asks the machine for it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return this instant, in UTC."""
    return datetime.now(UTC)
