"""Senders over the API: each verb, and what it refuses."""

import pytest

from tests.conftest import ApiClient
from tests.senders.factories import VALUES, make_sender
from tests.support.smtp_servers import RecordingServer
from webapp.senders import service

SIGNED_IN = {"authentication": "password", "login": "desk", "password": "s3cret-canary"}


def test_a_sender_is_created(api: ApiClient) -> None:
    answer = api.post("/senders", {**VALUES, **SIGNED_IN, "per_hour": 500})
    assert answer.status_code == 201
    made = answer.get_json()
    assert answer.headers["Location"].endswith(f"/api/v1/senders/{made['id']}")
    assert (made["host"], made["authentication"], made["per_hour"]) == (
        "127.0.0.1",
        "password",
        500,
    )
    assert made["password_saved_at"]
    assert "password" not in made


def test_a_repeated_key_creates_once(api: ApiClient) -> None:
    for _ in range(2):
        answer = api.post("/senders", VALUES, headers={"Idempotency-Key": "k1"})
        assert answer.status_code == 201
    assert len(service.all_senders()) == 1


def test_what_is_wrong_is_named_by_field(api: ApiClient) -> None:
    answer = api.post("/senders", {"name": "", "from_address": "nobody", "port": 99999})
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert {"name", "from_address", "port"} <= set(answer.get_json()["fields"])


def test_what_the_service_refuses_is_named_by_field(api: ApiClient) -> None:
    answer = api.post("/senders", {**VALUES, "host": "9.9.9.9"})
    assert answer.status_code == 422
    assert list(answer.get_json()["fields"]) == ["host"]


def test_unknown_fields_are_refused(api: ApiClient) -> None:
    answer = api.post("/senders", {**VALUES, "password_sealed": "v1.x.y"})
    assert list(answer.get_json()["fields"]) == ["password_sealed"]


def test_senders_are_listed_by_page(api: ApiClient) -> None:
    for number in range(3):
        make_sender(name=f"S{number}")
    first = api.get("/senders?limit=2").get_json()
    assert [one["name"] for one in first["items"]] == ["S2", "S1"]
    rest = api.get(f"/senders?limit=2&cursor={first['next']}").get_json()
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["S0"], None)


def test_one_sender_is_shown(api: ApiClient) -> None:
    sender = make_sender(**SIGNED_IN)
    shown = api.get(f"/senders/{sender.id}").get_json()
    assert shown["login"] == "desk"
    assert "s3cret" not in str(shown)
    assert sender.password_sealed not in str(shown)


def test_some_fields_are_changed(api: ApiClient) -> None:
    sender = make_sender(**SIGNED_IN)
    answer = api.patch(f"/senders/{sender.id}", {"from_name": "Harbour Library"})
    assert answer.status_code == 200
    changed = answer.get_json()
    assert (changed["from_name"], changed["login"]) == ("Harbour Library", "desk")
    assert changed["version"] == 2


def test_another_host_needs_the_password(api: ApiClient) -> None:
    sender = make_sender(**SIGNED_IN)
    answer = api.patch(f"/senders/{sender.id}", {"host": "localhost"})
    assert list(answer.get_json()["fields"]) == ["password"]
    answer = api.patch(
        f"/senders/{sender.id}", {"host": "localhost", "password": "again"}
    )
    assert answer.get_json()["host"] == "localhost"


def test_an_old_version_is_a_conflict(api: ApiClient) -> None:
    sender = make_sender()
    api.patch(f"/senders/{sender.id}", {"from_name": "A"})
    answer = api.patch(f"/senders/{sender.id}", {"from_name": "B", "version": 1})
    assert answer.status_code == 409


def test_a_sender_is_deleted(api: ApiClient) -> None:
    sender = make_sender()
    assert api.delete(f"/senders/{sender.id}").status_code == 204
    assert api.get(f"/senders/{sender.id}").status_code == 404


def test_a_sender_in_use_stays(api: ApiClient, used_sender: int) -> None:
    answer = api.delete(f"/senders/{used_sender}")
    assert answer.status_code == 409
    assert "use this sender" in answer.get_json()["detail"]
    assert api.get(f"/senders/{used_sender}").status_code == 200


def test_a_test_says_each_step(api: ApiClient) -> None:
    with RecordingServer() as server:
        sender = make_sender(port=server.port)
        answer = api.post(f"/senders/{sender.id}/test", {"to": "ada@example.com"})
    result = answer.get_json()
    assert (answer.status_code, result["ok"]) == (200, True)
    assert [step["name"] for step in result["steps"]] == [
        "connect",
        "tls",
        "sign_in",
        "send",
    ]
    assert server.copies() == {"ada@example.com": 1}


def test_a_test_goes_to_the_operator_unless_told(api: ApiClient) -> None:
    with RecordingServer() as server:
        api.post(f"/senders/{make_sender(port=server.port).id}/test", {})
    assert server.copies() == {"ines@example.org": 1}


def test_a_test_that_only_connects(api: ApiClient) -> None:
    with RecordingServer() as server:
        sender = make_sender(port=server.port)
        answer = api.post(f"/senders/{sender.id}/test", {"connect_only": True})
    assert answer.get_json()["ok"]
    assert not server.mails


def test_a_test_that_fails_is_an_answer_in_words(api: ApiClient) -> None:
    answer = api.post(f"/senders/{make_sender(port=1).id}/test", {})
    result = answer.get_json()
    assert (answer.status_code, result["ok"]) == (200, False)
    assert "Nothing answers" in result["steps"][0]["words"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/senders/9"),
        ("PATCH", "/senders/9"),
        ("DELETE", "/senders/9"),
        ("POST", "/senders/9/test"),
    ],
)
def test_a_sender_that_does_not_exist(api: ApiClient, method: str, path: str) -> None:
    assert (
        api.call(method, path, None if method in {"GET", "DELETE"} else {}).status_code
        == 404
    )
