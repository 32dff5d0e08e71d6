"""Single messages and uploads by the API."""

import io
from base64 import b64encode
from email import message_from_bytes
from typing import Any

import pytest

from tests.campaigns.conftest import body, sender_of
from tests.conftest import ApiClient
from webapp.campaigns import single_api, uploads
from webapp.campaigns.models import Message, Upload
from webapp.core import queue
from webapp.core.blobs import Blob
from webapp.core.db import db

PNG = b"\x89PNG\r\n\x1a\n rest"
FILE = {"filename": "a", "content": "YQ=="}
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
                    "content": b64encode(PNG).decode(),
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
    parts = source(api, body(answer)["id"]).get_payload()
    assert [one.get_content_type() for one in parts] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"to": []}, "to"),
        ({"to": ["nobody"]}, "to"),
        ({"text": ""}, "text"),
        ({"attachments": [{"filename": "a", "content": "%"}]}, "attachments.0.content"),
        ({"sender_id": 99}, "sender_id"),
        ({"colour": "red"}, "colour"),
        ({"to": ["Ada\r\nBcc: x@example.org <a@example.org>"]}, "to"),
        ({"subject": "a\r\nBcc: x@example.org"}, "subject"),
        ({"from": ["a@example.org", "b@example.org"]}, "from"),
        ({"from": "nobody"}, "from"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"envelope_from": "a@b> SIZE=1"}, "envelope_from"),
        ({"headers": {"Bcc": "x@example.org"}}, "headers"),
        ({"headers": {"X-A": "1\n2"}}, "headers"),
        ({"headers": {"X-A": ["1"]}}, "headers"),
        ({"headers": []}, "headers"),
        ({"attachments": [{"filename": "a"}]}, "attachments.0.content"),
        ({"attachments": [{"content": "YQ=="}]}, "attachments.0.filename"),
        (
            {"attachments": [{"filename": "a", "content": "YQ==", "upload_id": "x"}]},
            "attachments.0.content",
        ),
        ({"attachments": [{"upload_id": "x"}]}, "attachments"),
        (
            {"attachments": [{"filename": "a", "content": "YQ==", "content_id": "<"}]},
            "attachments.0.content_id",
        ),
        (
            {
                "attachments": [{"filename": "a", "content": "YQ==", "content_id": "c"}]
                * 2
            },
            "attachments",
        ),
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


def upload(api: ApiClient, name: str, content: bytes) -> Any:
    """Give a file to the desk."""
    return api.call("POST", "/uploads", data={"file": (io.BytesIO(content), name)})


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("people.csv", PNG, "image/png"),
        ("plan.pdf", b"%PDF-1.7 plan", "application/pdf"),
        ("zoe.txt", "Zoë".encode(), "text/plain; charset=utf-8"),
        ("page.txt", b"<html><script>1</script>", "text/html"),
        ("mail.eml", b"Subject: x\r\n\r\ny", "application/octet-stream"),
        ("noise.png", b"\0\1\2", "application/octet-stream"),
    ],
)
def test_the_content_says_the_type(
    api: ApiClient, name: str, content: bytes, kind: str
) -> None:
    assert body(upload(api, name, content))["content_type"] == kind


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plan.pdf", b"MZ\x90\0 program"),
        ("run", b"\x7fELF program"),
        ("script.VBS", b"x = 1"),
        ("a.exe. ", b"x"),
        ("empty.txt", b""),
    ],
)
def test_programs_and_empty_files_are_refused(
    api: ApiClient, name: str, content: bytes
) -> None:
    answer = upload(api, name, content)
    assert answer.status_code == 422
    assert body(answer)["fields"]["file"][0].startswith("“")
    in_call = {"filename": name, "content": b64encode(content).decode()}
    sender_of()
    assert api.post("/messages", {**ONE, "attachments": [in_call]}).status_code == 422
    assert db.session.query(Upload).count() == db.session.query(Blob).count() == 0


def test_the_same_content_is_stored_once(api: ApiClient) -> None:
    one, two = (body(upload(api, name, b"plan")) for name in ("a.txt", "b.txt"))
    assert one["sha256"] == two["sha256"]
    assert one["id"] != two["id"]
    assert db.session.query(Blob).count() == 1


def test_an_upload_over_the_limit_is_not_read(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as less:
        less.setattr(single_api.upload, "max_octets", 1000)
        assert upload(api, "large.txt", b"x" * 2000).status_code == 413
    monkeypatch.setattr(uploads, "LARGEST_FILE", 3)
    assert upload(api, "large.txt", b"1234").status_code == 422
    assert db.session.query(Upload).count() == 0


def test_an_upload_is_only_downloaded(api: ApiClient) -> None:
    made = body(upload(api, "../Größe\u202egpj.html", b"<html><script>1</script>"))
    answer = api.get(f"/uploads/{made['id']}/content")
    assert answer.data == b"<html><script>1</script>"
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=Gr")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    missing = "/uploads/00000000-0000-0000-0000-000000000000/content"
    assert api.get(missing).status_code == 404


def test_a_message_takes_an_upload(api: ApiClient) -> None:
    sender_of()
    made = body(upload(api, "plan.txt", b"plan"))
    given = [{"upload_id": made["id"], "filename": "Plan 2.txt"}]
    mail = source(api, body(api.post("/messages", {**ONE, "attachments": given}))["id"])
    part = mail.get_payload()[1]
    assert (part.get_filename(), part.get_payload(decode=True)) == (
        "Plan 2.txt",
        b"plan",
    )


def test_an_upload_is_attached_to_a_campaign(api: ApiClient) -> None:
    given = (io.BytesIO(b"plan"), "../plan.txt")
    answer = api.call("POST", "/uploads", data={"file": given})
    assert answer.status_code == 201
    made = body(answer)
    assert (made["file_name"], made["size"]) == ("plan.txt", 4)
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


def test_html_alone_gets_a_text_part_for_those_who_read_text(api: ApiClient) -> None:
    sender_of()
    html = '<h1>Plan</h1><p>See <a href="https://a.example/p">it</a></p>'
    call = {"to": ["ada@example.org"], "subject": "Hi", "html": html}
    answer = api.post("/messages", call)
    assert answer.json
    source = api.get(f"/messages/{answer.json['id']}/source").data.decode()
    assert source.index("text/plain") < source.index("text/html")
    assert "Plan\r\n\r\nSee it: https://a.example/p" in source
