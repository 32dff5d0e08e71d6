"""Fixtures that attacks share with the features that they attack."""

from tests.triage.conftest import campaign, receive, send

__all__ = ["campaign", "receive", "send"]
