"""Message templates by the API: each verb, and what it refuses."""

from typing import Any

from tests.conftest import ApiClient
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.operators import tokens

BODY: dict[str, Any] = {
    "name": "News",
    "format": "html",
    "subject": "For {{ first_name }}",
    "html": "<p>Dear {{ first_name }}, <a href='/p'>plan</a></p>",
}


def test_create_and_read(api: ApiClient) -> None:
    made = api.post("/message-templates", BODY)
    assert made.status_code == 201
    assert made.json is not None
    assert made.json["names"] == ["first_name"]
    read = api.get(f"/message-templates/{made.json['id']}")
    assert read.json == made.json
    assert read.headers["ETag"] == '"1"'
    assert {name: read.json[name] for name in BODY} == BODY


def test_create_names_what_is_wrong(api: ApiClient) -> None:
    made = api.post("/message-templates", {"format": "rtf"})
    assert made.status_code == 422
    assert made.json is not None
    assert set(made.json["fields"]) == {"name", "format"}


def test_create_refuses_a_taken_name(api: ApiClient, template_id: int) -> None:
    made = api.post("/message-templates", {**BODY, "name": "Welcome"})
    assert made.status_code == 422
    assert made.json is not None
    assert list(made.json["fields"]) == ["name"]


def test_list_is_paged(api: ApiClient) -> None:
    for n in range(3):
        api.post("/message-templates", {**BODY, "name": f"N{n}"})
    first = api.get("/message-templates?limit=2").json
    assert first is not None
    assert [one["name"] for one in first["items"]] == ["N2", "N1"]
    rest = api.get(f"/message-templates?limit=2&cursor={first['next']}").json
    assert rest is not None
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["N0"], None)


def test_patch_changes_only_what_it_names(api: ApiClient, template_id: int) -> None:
    saved = api.patch(f"/message-templates/{template_id}", {"subject": "New"}).json
    assert saved is not None
    assert (saved["subject"], saved["version"]) == ("New", 2)
    assert saved["html"].startswith("Dear")


def test_patch_on_an_old_version_is_refused(api: ApiClient, template_id: int) -> None:
    path = f"/message-templates/{template_id}"
    headers = {"If-Match": '"1"'}
    assert api.patch(path, {"subject": "Hers"}, headers=headers).status_code == 200
    late = api.patch(path, {"subject": "Mine"}, headers=headers)
    assert late.status_code == 409
    assert api.patch(path, {"subject": "Mine", "version": 1}).status_code == 409
    assert (
        api.patch(path, {"subject": "x"}, headers={"If-Match": "x"}).status_code == 422
    )
    now = api.get(path).json
    assert now is not None
    assert now["subject"] == "Hers"


def test_delete(api: ApiClient, template_id: int) -> None:
    path = f"/message-templates/{template_id}"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert api.delete(path).status_code == 404


def test_delete_is_refused_while_used(api: ApiClient, template_id: int) -> None:
    db.session.add(Campaign(name="Spring", message_template_id=template_id))
    db.session.commit()
    refused = api.delete(f"/message-templates/{template_id}")
    assert refused.status_code == 409
    assert refused.json is not None
    assert "archive" in refused.json["detail"]


def preview(api: ApiClient, template_id: int, **asked: Any) -> Any:
    answer = api.post(f"/message-templates/{template_id}/preview", asked)
    assert answer.status_code == 200, answer.json
    return answer.json


def test_preview_with_values(api: ApiClient, template_id: int) -> None:
    made = preview(api, template_id, values={"first_name": "<Zoë>"})
    assert made["subject"] == "Hello <Zoë>"
    assert "&lt;Zoë&gt;</strong>" in made["html"]
    assert "come in: https://post.example.org/hall" in made["text"]
    assert made["links"][0] == {
        "old": "/hall",
        "new": "https://post.example.org/hall",
        "kind": "link",
        "problem": None,
    }


def test_preview_for_a_recipient(
    api: ApiClient, template_id: int, people: list[int]
) -> None:
    ada, bo, _ = people
    assert preview(api, template_id, recipient_id=ada)["subject"] == "Hello Ada"
    failed = preview(api, template_id, recipient_id=bo)
    assert failed["subject"] is failed["html"] is None
    first = failed["problems"][0]
    assert (first["code"], first["part"], first["line"]) == ("V03", "subject", 1)
    assert "first_name" in first["message"]


def test_preview_with_its_own_base_address(api: ApiClient, template_id: int) -> None:
    made = preview(
        api, template_id, values={"first_name": "A"}, base_url="https://other.example"
    )
    assert made["links"][0]["new"] == "https://other.example/hall"


def test_preview_never_takes_the_host_of_the_request(
    api: ApiClient, template_id: int
) -> None:
    answer = api.post(
        f"/message-templates/{template_id}/preview",
        {"values": {"first_name": "A"}},
        headers={"Host": "localhost", "X-Forwarded-Host": "evil.example"},
    )
    assert answer.json is not None
    assert answer.json["links"][0]["new"] == "https://post.example.org/hall"


def test_preview_refuses_what_is_no_value(api: ApiClient, template_id: int) -> None:
    path = f"/message-templates/{template_id}/preview"
    for values in ({"a": {"$date": "x"}}, {"a": [1]}, [1]):
        assert api.post(path, {"values": values}).status_code == 422
    assert api.post(path, {"recipient_id": 99}).status_code == 404


def test_a_reader_may_preview_but_not_write(
    api: ApiClient, template_id: int, app: Any, operator: Any
) -> None:
    _token, text = tokens.create(operator, "reader", ("read",))
    reader = ApiClient(app.test_client(), text)
    assert (
        preview(reader, template_id, values={"first_name": "A"})["subject"] == "Hello A"
    )
    assert reader.post("/message-templates", BODY).status_code == 403
    assert (
        reader.patch(f"/message-templates/{template_id}", {"name": "x"}).status_code
        == 403
    )
    assert reader.delete(f"/message-templates/{template_id}").status_code == 403
