"""Checks and launches, as jobs."""

from webapp.campaigns import checking, launching
from webapp.core.queue import job


@job("campaigns.check")
def check(campaign_id: int) -> None:
    """Check a campaign."""
    checking.run(campaign_id)


@job("campaigns.launch")
def launch(campaign_id: int) -> None:
    """Write the messages of a campaign."""
    launching.run(campaign_id)
