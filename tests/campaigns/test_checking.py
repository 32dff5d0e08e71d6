"""The check: who gets it, who does not and why, which rows fail."""

import pytest

from tests.campaigns.conftest import PEOPLE, Desk, MakeDesk, recipient_of
from webapp.campaigns import checking, leaving_out, service
from webapp.campaigns.states import State
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.recipients.models import Recipient
from webapp.suppressions.models import Channel, Reason, Suppression

ADA = PEOPLE[0]


def test_a_clean_table_makes_the_campaign_ready(desk: Desk) -> None:
    campaign = desk.checked()
    result = campaign.check_result
    assert campaign.state == State.READY
    assert (result["recipients"], result["rows"], result["problems"]) == (3, 3, 0)
    assert result["subject"] == "Hello Ada"
    assert campaign.check_done == 3


def test_a_missing_cell_is_a_problem_that_names_row_and_column(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk([ADA, {"email": "no-name@example.org"}])
    campaign = desk.checked()
    (row,) = campaign.check_result["problem_rows"]
    assert campaign.state == State.DRAFT
    assert (row["row"], row["class"], row["variable"]) == (2, "content", "first_name")


def test_an_unknown_name_fails_every_row(make_desk: MakeDesk) -> None:
    result = make_desk(html="<p>{{ surname }}</p>").checked().check_result
    assert (result["problems"], result["recipients"]) == (3, 0)


def test_bad_and_missing_addresses_are_problems(make_desk: MakeDesk) -> None:
    people = [ADA, {"email": "not an address", "first_name": "X"}, {"first_name": "Y"}]
    result = make_desk(people).checked().check_result
    assert [row["class"] for row in result["problem_rows"]] == [
        "bad_address",
        "no_address",
    ]


def test_the_second_row_of_an_address_is_left_out_by_itself(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk([ADA, {"email": "ADA@Example.ORG", "first_name": "Again"}])
    campaign = desk.checked()
    assert campaign.state == State.READY
    assert campaign.check_result["recipients"] == 1
    assert campaign.check_result["skipped"]["duplicate"]["rows"][0]["row"] == 2


@pytest.mark.parametrize(
    ("channel", "key"),
    [(Channel.EMAIL, "ada@example.org"), (Channel.DOMAIN, "example.org")],
)
def test_suppressed_people_get_nothing(
    make_desk: MakeDesk, channel: Channel, key: str
) -> None:
    desk = make_desk([ADA, {"email": "b@other.example", "first_name": "B"}])
    db.session.add(
        Suppression(channel=channel, address_key=key, reason=Reason.UNSUBSCRIBED)
    )
    db.session.commit()
    result = desk.checked().check_result
    assert result["recipients"] == 1
    (row,) = result["skipped"]["suppressed"]["rows"]
    assert "unsubscribed" in row["words"]


def test_a_suppression_of_another_table_does_not_count(desk: Desk) -> None:
    db.session.add(
        Suppression(
            address_key="ada@example.org",
            recipient_table_id=desk.table.id + 1,
            reason=Reason.MANUAL,
        )
    )
    db.session.commit()
    assert desk.checked().check_result["recipients"] == 3


def test_leaving_out_the_problem_rows_makes_it_ready(make_desk: MakeDesk) -> None:
    desk = make_desk([ADA, {"email": "no-name@example.org"}])
    (row,) = desk.checked().check_result["problem_rows"]
    campaign = leaving_out.leave_out(desk.campaign.id, [row["recipient_id"]])
    assert campaign.state == State.READY
    assert campaign.check_result["skipped"]["left_out"]["count"] == 1
    assert checking.changed_since(campaign) == []


def test_leaving_out_a_row_lets_its_duplicate_take_its_place(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk([{"email": "ada@example.org"}, ADA])
    (row,) = desk.checked().check_result["problem_rows"]
    campaign = leaving_out.leave_out(desk.campaign.id, [row["recipient_id"]])
    assert campaign.state == State.CHECKING
    checking.run(campaign.id)
    assert desk.fresh().check_result["recipients"] == 1


def test_put_back_checks_again(make_desk: MakeDesk) -> None:
    desk = make_desk([ADA, {"email": "no-name@example.org"}])
    (row,) = desk.checked().check_result["problem_rows"]
    leaving_out.leave_out(desk.campaign.id, [row["recipient_id"]])
    leaving_out.put_back(desk.campaign.id, [row["recipient_id"]])
    checking.run(desk.campaign.id)
    assert desk.fresh().check_result["problems"] == 1


def test_an_edit_during_the_check_wins(desk: Desk) -> None:
    service.check(desk.campaign.id)
    service.edit(desk.campaign.id, name="Another name")
    checking.run(desk.campaign.id)
    campaign = desk.fresh()
    assert campaign.state == State.DRAFT
    assert campaign.check_result == {}


def test_a_changed_table_is_said(desk: Desk) -> None:
    campaign = desk.checked()
    desk.table.rows_version += 1
    db.session.add(recipient_of(desk.table, {"email": "new@example.org"}))
    db.session.commit()
    assert checking.changed_since(campaign) == ["the recipient table"]


def test_what_is_not_chosen_is_said(desk: Desk) -> None:
    service.edit(desk.campaign.id, sender_id=None)
    campaign = desk.checked()
    assert campaign.state == State.DRAFT
    assert campaign.check_result["blocking"] == ["Choose a sender."]


def test_only_the_first_rows_are_kept_and_all_are_counted(make_desk: MakeDesk) -> None:
    people = [{"email": f"p{n}@example.org"} for n in range(checking.SHOWN_ROWS + 5)]
    result = make_desk(people).checked().check_result
    assert result["problems"] == checking.SHOWN_ROWS + 5
    assert len(result["problem_rows"]) == checking.SHOWN_ROWS


def test_a_launched_campaign_is_not_checked(desk: Desk) -> None:
    desk.launched()
    with pytest.raises(Refused, match="sending"):
        service.check(desk.campaign.id)


def test_leaving_out_somebody_who_was_counted_checks_again(desk: Desk) -> None:
    desk.checked()
    recipient = db.session.scalar(db.select(Recipient.id))
    leaving_out.leave_out(desk.campaign.id, [recipient or 0])
    assert desk.fresh().state == State.CHECKING
    checking.run(desk.campaign.id)
    assert desk.fresh().check_result["recipients"] == 2
