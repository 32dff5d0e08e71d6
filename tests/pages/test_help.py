"""The help page lists every word and every key."""

import pytest

from tests.conftest import PageClient
from webapp.campaigns.states import State, Status
from webapp.pages import glossary
from webapp.senders.replies import FailureClass


def test_every_status_and_state_is_explained() -> None:
    assert set(glossary.STATUSES) == set(Status)
    assert set(glossary.STATES) == set(State)


def test_every_failure_says_what_to_do() -> None:
    assert set(glossary.WHAT_TO_DO) == set(FailureClass)


@pytest.mark.parametrize("anchor", ["keys", "statuses", "failures", "workers", "queue"])
def test_what_other_pages_link_to_is_there(client: PageClient, anchor: str) -> None:
    assert f'id="{anchor}"' in client.get("/help").text
