"""Whole campaigns through real worker processes."""

from tests.support.sending import Desk


def test_a_campaign_is_sent_each_exactly_once(desk: Desk) -> None:
    campaign = desk.campaign(300)
    desk.start()
    desk.wait_finished(campaign)
    assert desk.statuses() == {"sent": 300}
    assert set(desk.server.copies().values()) == {1}
    desk.assert_ledger_agrees()
