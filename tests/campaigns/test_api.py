"""Campaigns through the API: each verb once, and how each is refused."""

from email import message_from_bytes

import pytest

from tests.campaigns.conftest import PEOPLE, Desk, MakeDesk, body
from tests.conftest import ApiClient
from webapp.campaigns import checking, launching
from webapp.campaigns.states import State, Status
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db


def test_the_whole_way_from_draft_to_sending(desk: Desk, api: ApiClient) -> None:
    made = api.post(
        "/campaigns",
        {
            "name": "By API",
            "recipient_table_id": desk.table.id,
            "message_template_id": desk.template.id,
            "sender_id": desk.sender.id,
        },
    )
    assert made.status_code == 201
    place = f"/campaigns/{body(made)['id']}"
    assert made.location.endswith(place)
    assert api.post(f"{place}/check").status_code == 202
    checking.run(body(made)["id"])
    assert body(api.get(f"{place}/check"))["recipients"] == 3
    answer = api.post(f"{place}/launch", {"expected_recipients": 3, "hold_seconds": 0})
    assert (answer.status_code, body(answer)["state"]) == (202, "launching")
    launching.run(body(made)["id"])
    status = body(api.get(f"{place}/status"))
    assert (status["state"], status["total"], status["counts"]["pending"]) == (
        "sending",
        3,
        3,
    )


def test_launch_is_refused_with_both_numbers(desk: Desk, api: ApiClient) -> None:
    desk.checked()
    place = f"/campaigns/{desk.campaign.id}/launch"
    answer = api.post(place, {"expected_recipients": 7})
    assert answer.status_code == 409
    assert "7" in body(answer)["detail"]
    assert "3" in body(answer)["detail"]


def test_a_campaign_without_a_name_is_refused_by_field(api: ApiClient) -> None:
    answer = api.post("/campaigns", {"name": " "})
    assert answer.status_code == 422
    assert "name" in body(answer)["fields"]


def test_what_does_not_exist_cannot_be_chosen(api: ApiClient) -> None:
    answer = api.post("/campaigns", {"name": "X", "recipient_table_id": 99})
    assert (answer.status_code, list(body(answer)["fields"])) == (
        422,
        ["recipient_table_id"],
    )


def test_a_wrong_address_for_copies_is_refused(api: ApiClient) -> None:
    answer = api.post("/campaigns", {"name": "X", "cc": ["a@example.org", "nobody"]})
    assert list(body(answer)["fields"]) == ["cc"]


def test_patch_changes_only_what_is_given(desk: Desk, api: ApiClient) -> None:
    place = f"/campaigns/{desk.campaign.id}"
    answer = api.patch(place, {"cc": ["desk@example.org"]})
    assert body(answer)["cc"] == ["desk@example.org"]
    assert body(answer)["recipient_table_id"] == desk.table.id


def test_an_older_version_does_not_overwrite(desk: Desk, api: ApiClient) -> None:
    place = f"/campaigns/{desk.campaign.id}"
    etag = api.get(place).headers["ETag"]
    assert (
        api.patch(place, {"name": "A"}, headers={"If-Match": etag}).status_code == 200
    )
    late = api.patch(place, {"name": "B"}, headers={"If-Match": etag})
    assert late.status_code == 409
    assert body(api.get(place))["name"] == "A"


def test_a_repeated_creating_call_has_one_effect(api: ApiClient) -> None:
    for _time in range(2):
        api.post("/campaigns", {"name": "Once"}, headers={"Idempotency-Key": "k1"})
    assert len(body(api.get("/campaigns?q=once"))["items"]) == 1


def test_only_drafts_are_deleted(desk: Desk, api: ApiClient) -> None:
    desk.launched()
    assert api.delete(f"/campaigns/{desk.campaign.id}").status_code == 409
    draft = body(api.post("/campaigns", {"name": "Draft"}))["id"]
    assert api.delete(f"/campaigns/{draft}").status_code == 204
    assert api.get(f"/campaigns/{draft}").status_code == 404


def test_messages_are_listed_by_pages_in_the_order_of_rows(
    make_desk: MakeDesk, api: ApiClient
) -> None:
    people = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(5)]
    desk = make_desk(people)
    desk.launched()
    place, cursor = f"/campaigns/{desk.campaign.id}/messages", "&"
    seen: list[int] = []
    while cursor:
        page = body(api.get(f"{place}?limit=2{cursor}"))
        seen += [item["row"] for item in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else ""
    assert seen == [1, 2, 3, 4, 5]


def test_messages_are_found_by_status_and_address(desk: Desk, api: ApiClient) -> None:
    desk.launched()
    desk.set(1, Status.FAILED, reason_class="address")
    place = f"/campaigns/{desk.campaign.id}/messages"
    for query in ("status=failed", "q=ZOE@example.org", "q=zoe@", "class=address"):
        items = body(api.get(f"{place}?{query}"))["items"]
        assert [item["address"] for item in items] == ["zoe@example.org"], query


def test_the_source_is_the_message_as_it_is_sent(desk: Desk, api: ApiClient) -> None:
    desk.launched()
    message = desk.messages()[1]
    answer = api.get(f"/messages/{message.id}/source")
    mail = message_from_bytes(answer.data)
    assert answer.content_type == "message/rfc822"
    assert mail["Message-ID"] == message.message_id_header
    assert "zoe@example.org" in mail["To"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert answer.data == api.get(f"/messages/{message.id}/source").data


def test_blind_copies_are_in_no_source(make_desk: MakeDesk, api: ApiClient) -> None:
    desk = make_desk(campaign={"bcc": ["secret@example.org"]})
    desk.launched()
    message = desk.messages()[0]
    assert b"secret" not in api.get(f"/messages/{message.id}/source").data
    assert "secret" not in api.get(f"/messages/{message.id}").text


def test_pause_resume_cancel(desk: Desk, api: ApiClient) -> None:
    place = f"/campaigns/{desk.launched().id}"
    assert body(api.post(f"{place}/pause"))["state"] == "paused"
    assert api.post(f"{place}/pause").status_code == 409
    assert body(api.post(f"{place}/resume"))["state"] == "sending"
    done = body(api.post(f"{place}/cancel"))
    assert (done["state"], done["counts"]["cancelled"], done["stop"]) == (
        "cancelled",
        3,
        True,
    )


def test_retry_and_resolve(desk: Desk, api: ApiClient) -> None:
    place = f"/campaigns/{desk.launched().id}"
    desk.set(0, Status.FAILED, reason_class="busy")
    desk.set(1, Status.UNKNOWN)
    assert body(api.post(f"{place}/retry-failed", {})) == {"messages": 1}
    assert api.post(f"{place}/retry-failed", {}).status_code == 409
    went = api.post(f"{place}/resolve-unknown", {"decision": "went"})
    assert body(went) == {"messages": 1}
    wrong = api.post(f"{place}/resolve-unknown", {"decision": "maybe"})
    assert wrong.status_code == 422


def test_a_test_goes_to_the_operator_and_is_counted_nowhere(
    desk: Desk, api: ApiClient
) -> None:
    answer = api.post(f"/campaigns/{desk.campaign.id}/test", {})
    assert (answer.status_code, body(answer)["address"]) == (202, "ines@example.org")
    assert body(answer)["campaign_id"] is None
    assert len(queue.queue(queue.Lane.TRANSACTIONAL).job_ids) == 1
    source = api.get(f"/messages/{body(answer)['id']}/source").text
    assert "Subject: [Test] Hello Ada" in source
    assert desk.messages() == []


def test_nothing_without_a_token(desk: Desk, api: ApiClient) -> None:
    api.headers = {}
    for path in ("/campaigns", f"/campaigns/{desk.campaign.id}/status"):
        assert api.get(path).status_code == 401


def test_an_unknown_campaign_is_404_for_every_verb(api: ApiClient) -> None:
    assert api.get("/campaigns/99").status_code == 404
    for verb in ("check", "pause", "resume", "cancel", "stop"):
        assert api.post(f"/campaigns/99/{verb}").status_code == 404, verb


def test_a_draft_has_a_status_too(desk: Desk, api: ApiClient) -> None:
    status = body(api.get(f"/campaigns/{desk.campaign.id}/status"))
    assert (status["state"], status["total"]) == (State.DRAFT, 0)
    assert len(PEOPLE) == 3


def test_an_unknown_status_or_state_is_refused(desk: Desk, api: ApiClient) -> None:
    for path in (
        f"/campaigns/{desk.campaign.id}/messages?status=lost",
        "/campaigns?state=x",
    ):
        answer = api.get(path)
        assert answer.status_code == 422
        assert "must be one of" in body(answer)["detail"]


def test_lists_of_addresses_are_described_as_such(api: ApiClient) -> None:
    paths = body(api.get("/openapi.json"))["paths"]
    content = paths["/campaigns"]["post"]["requestBody"]["content"]
    fields = content["application/json"]["schema"]["properties"]
    assert fields["cc"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    "field", ["recipient_table_id", "message_template_id", "sender_id"]
)
@pytest.mark.parametrize("number", [0, -1, 10**9])
def test_what_a_campaign_points_to_must_be_there(
    desk: Desk, api: ApiClient, field: str, number: int
) -> None:
    del desk
    answer = api.post("/campaigns", {"name": "A", field: number})
    assert answer.status_code == 422
    assert body(answer)["fields"] == {field: ["This does not exist any more."]}


def test_a_deleted_table_cannot_be_chosen(desk: Desk, api: ApiClient) -> None:
    desk.table.deleted_at = now()
    db.session.commit()
    answer = api.post("/campaigns", {"name": "A", "recipient_table_id": desk.table.id})
    assert list(body(answer)["fields"]) == ["recipient_table_id"]


@pytest.mark.parametrize(
    "headers", [{"X-A": {"b": 1}}, {"X-A": 5}, {"X A": "b"}, {"X-A": "b\r\nBcc: c"}]
)
def test_own_headers_are_lines_of_text(
    desk: Desk, api: ApiClient, headers: dict[str, object]
) -> None:
    place = f"/campaigns/{desk.campaign.id}"
    answer = api.patch(place, {"headers": headers})
    assert answer.status_code == 422
    assert list(body(answer)["fields"]) == ["headers"]
