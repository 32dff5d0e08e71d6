"""Single messages and uploads by the API."""

import io
from base64 import b64encode
from email import message_from_bytes
from typing import Any

import pytest

from tests.campaigns.conftest import body, sender_of
from tests.conftest import ApiClient
from webapp.campaigns.models import Message
from webapp.core import queue
from webapp.core.db import db

ONE: dict[str, Any] = {"to": ["Ada <ada@example.org>"], "subject": "Hi", "text": "Dear"}


def source(api: ApiClient, message_id: int) -> Any:
    """The message as it is sent."""
    return message_from_bytes(api.get(f"/messages/{message_id}/source").data)


def test_a_message_is_queued_and_found_again(api: ApiClient) -> None:
    sender_of()
    answer = api.post("/messages", ONE)
    assert answer.status_code == 202
    made = body(answer)
    assert (made["status"], made["campaign_id"]) == ("pending", None)
    assert body(api.get(f"/messages/{made['id']}"))["address"] == "ada@example.org"
    assert len(queue.queue(queue.Lane.TRANSACTIONAL).job_ids) == 1
    mail = source(api, made["id"])
    assert (mail["Subject"], mail["To"]) == ("Hi", "Ada <ada@example.org>")
    assert "List-Unsubscribe" not in mail


def test_all_that_a_message_may_say(api: ApiClient) -> None:
    sender_of()
    answer = api.post(
        "/messages",
        {
            **ONE,
            "cc": ["c@example.org"],
            "bcc": ["b@example.org"],
            "html": "<p>Dear</p><img src='cid:photo'>",
            "from": "Desk <desk@library.example>",
            "reply_to": ["r@example.org"],
            "envelope_from": "bounce@library.example",
            "headers": {"X-Ticket": "7"},
            "attachments": [
                {
                    "filename": "photo.png",
                    "content": b64encode(b"\x89PNG").decode(),
                    "content_id": "photo",
                }
            ],
        },
    )
    mail = source(api, body(answer)["id"])
    assert mail["From"] == "Desk <desk@library.example>"
    assert (mail["Cc"], mail["Reply-To"]) == ("c@example.org", "r@example.org")
    assert (mail["X-Ticket"], mail["Bcc"]) == ("7", None)
    types = [part.get_content_type() for part in mail.walk()]
    assert {"text/plain", "text/html", "image/png"} <= set(types)


def test_html_is_recognised_in_the_text(api: ApiClient) -> None:
    sender_of()
    answer = api.post("/messages", {**ONE, "text": "<!DOCTYPE HTML><p>Hi</p>"})
    assert source(api, body(answer)["id"]).get_content_type() == "text/html"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"to": []}, "to"),
        ({"to": ["nobody"]}, "to"),
        ({"text": ""}, "text"),
        ({"attachments": [{"filename": "a", "content": "%"}]}, "attachments.0.content"),
        ({"sender_id": 99}, "sender_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named(
    api: ApiClient, wrong: dict[str, Any], field: str
) -> None:
    sender_of()
    answer = api.post("/messages", {**ONE, **wrong})
    assert answer.status_code == 422
    assert list(body(answer)["fields"]) == [field]
    assert db.session.query(Message).count() == 0


def test_what_cannot_be_composed_is_refused(api: ApiClient) -> None:
    sender_of()
    answer = api.post("/messages", {**ONE, "headers": {"Bcc": "x@example.org"}})
    assert answer.status_code == 422
    assert db.session.query(Message).count() == 0


def test_without_a_sender_or_with_two_it_has_to_be_named(api: ApiClient) -> None:
    assert api.post("/messages", ONE).status_code == 422
    sender_of()
    second = sender_of(name="Second").id
    assert api.post("/messages", ONE).status_code == 422
    named = api.post("/messages", {**ONE, "sender_id": second})
    assert named.status_code == 202


def test_waiting_ends_in_time(api: ApiClient) -> None:
    sender_of()
    answer = api.post("/messages", ONE, headers={"Prefer": "wait=1"})
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert body(answer)["status"] == "pending"


def test_the_same_key_sends_once(api: ApiClient) -> None:
    sender_of()
    for _time in range(2):
        api.post("/messages", ONE, headers={"Idempotency-Key": "once"})
    assert db.session.query(Message).count() == 1


def test_an_upload_is_attached_to_a_campaign(api: ApiClient) -> None:
    given = (io.BytesIO(b"plan"), "../plan.txt")
    answer = api.call("POST", "/uploads", data={"file": given})
    assert answer.status_code == 201
    made = body(answer)
    assert (made["filename"], made["size"]) == ("plan.txt", 4)
    assert body(api.get(f"/uploads/{made['id']}")) == made
    campaign = api.post(
        "/campaigns", {"name": "X", "attachments": [{"upload_id": made["id"]}]}
    )
    assert body(campaign)["attachments"][0]["filename"] == "plan.txt"


def test_an_unknown_upload_is_refused(api: ApiClient) -> None:
    for wrong in ("x", "00000000-0000-0000-0000-000000000000"):
        answer = api.post(
            "/campaigns", {"name": "X", "attachments": [{"upload_id": wrong}]}
        )
        assert answer.status_code == 422
    assert api.call("POST", "/uploads", data={}).status_code == 422
