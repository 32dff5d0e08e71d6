"""Message templates as pages: each verb, each refusal, and what must not happen."""

import pytest

from tests.conftest import PageClient
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.message_templates import service

FORM = {
    "name": "News",
    "format": "markdown",
    "subject": "For {{ first_name }}",
    "html": "Dear {{ first_name }}, [plan](/plan)",
}


def saved(template_id: int) -> str:
    subject = service.newest(service.get(template_id)).subject
    db.session.rollback()
    return subject


def test_empty_list_offers_examples(client: PageClient) -> None:
    page = client.get("/message-templates").text
    assert "No message templates yet." in page
    assert page.count("/message-templates/new?example=") == 3


@pytest.mark.parametrize("example", ["welcome", "newsletter", "note", "none"])
def test_examples_open_in_the_editor_without_an_error(
    client: PageClient, example: str
) -> None:
    page = client.get(f"/message-templates/new?example={example}")
    assert page.status_code == 200
    assert ("Welcome" in page.text) is (example == "welcome")


def test_create(client: PageClient) -> None:
    answer = client.submit("/message-templates/new", FORM)
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "Dear {{ first_name }}, [plan](/plan)" in page
    assert "News" in client.get("/message-templates").text


def test_create_keeps_the_input_and_names_what_is_wrong(client: PageClient) -> None:
    answer = client.submit("/message-templates/new", {**FORM, "name": ""})
    assert answer.status_code == 422
    assert "Give it a name." in answer.text
    assert "[plan](/plan)" in answer.text


def test_a_taken_name_is_said_at_its_field(
    client: PageClient, template_id: int
) -> None:
    answer = client.submit("/message-templates/new", {**FORM, "name": "Welcome"})
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert template_id


def test_save_and_preview(client: PageClient, template_id: int, table_id: int) -> None:
    path = f"/message-templates/{template_id}"
    form = {**FORM, "version": 1, "then": "preview", "table": table_id}
    answer = client.submit(path, form)
    assert answer.headers["Location"] == f"{path}/preview?table={table_id}"
    assert saved(template_id) == FORM["subject"]


def test_a_newer_version_is_not_overwritten(
    client: PageClient, template_id: int
) -> None:
    path = f"/message-templates/{template_id}"
    client.submit(path, {**FORM, "subject": "Hers", "version": 1})
    late = client.submit(path, {**FORM, "subject": "Mine", "version": 1})
    assert late.status_code == 409
    assert "newer version" in late.text
    assert "Mine" in late.text
    assert saved(template_id) == "Hers"
    again = client.submit(path, {**FORM, "subject": "Mine", "version": 2})
    assert again.status_code == 303


def test_editor_shows_findings_with_place_and_fix(
    client: PageClient, template_id: int, table_id: int
) -> None:
    path = f"/message-templates/{template_id}"
    form = {**FORM, "html": "a\n{{ frist_name }}", "version": 1, "table": table_id}
    page = client.get(client.submit(path, form).headers["Location"]).text
    assert "There is no column “frist_name”. Did you mean “first_name”?" in page
    assert "line 2, column 4" in page
    fix = {
        "part": "html",
        "at": 5,
        "old": "frist_name",
        "new": "first_name",
        "version": 2,
    }
    assert client.submit(f"{path}/fix", fix).status_code == 303
    page = client.get(path).text
    assert "frist_name" not in page
    assert client.submit(f"{path}/fix", fix).status_code == 409


def test_the_address_may_be_written_in_the_text_and_need_not(
    client: PageClient, template_id: int, table_id: int
) -> None:
    path = f"/message-templates/{template_id}"
    assert "The column “email” is never used" not in client.get(path).text
    form = {**FORM, "html": "{{ email }}", "version": 1, "table": table_id}
    page = client.get(client.submit(path, form).headers["Location"]).text
    assert "There is no column “email”" not in page
    assert "The column “born” is never used" in page


def test_editor_counts_rows_with_missing_values(
    client: PageClient, template_id: int, table_id: int
) -> None:
    page = client.get(f"/message-templates/{template_id}?table={table_id}").text
    assert "1 row has no “first_name” and there is no default: row 2" in page


def test_duplicate_archive_bring_back(client: PageClient, template_id: int) -> None:
    path = f"/message-templates/{template_id}"
    assert (
        "Welcome (copy)"
        in client.get(client.submit(f"{path}/duplicate").headers["Location"]).text
    )
    client.submit(f"{path}/archive")
    assert f'href="{path}"' not in client.get("/message-templates").text
    assert f'href="{path}"' in client.get("/message-templates?archived").text
    client.submit(f"{path}/unarchive")
    assert f'href="{path}"' in client.get("/message-templates").text


def test_delete_asks_first(client: PageClient, template_id: int) -> None:
    path = f"/message-templates/{template_id}"
    assert "version is deleted for good" in client.get(f"{path}/delete").text
    assert client.get(path).status_code == 200
    assert client.submit(f"{path}/delete").status_code == 303
    assert client.get(path).status_code == 404


def test_delete_is_refused_while_used(client: PageClient, template_id: int) -> None:
    db.session.add(Campaign(name="Spring", message_template_id=template_id))
    db.session.commit()
    path = f"/message-templates/{template_id}"
    assert "Archive it" in client.get(f"{path}/delete").text
    assert client.submit(f"{path}/delete").status_code == 409
    assert client.get(path).status_code == 200


def test_versions_show_what_changed_and_can_be_restored(
    client: PageClient, template_id: int
) -> None:
    path = f"/message-templates/{template_id}"
    client.submit(path, {**FORM, "version": 1})
    page = client.get(f"{path}/versions?version=1").text
    assert "<del>" in page
    assert "<ins>+ For {{ first_name }}" in page
    client.submit(f"{path}/versions/1/restore")
    assert saved(template_id) == "Hello {{ first_name }}"
    assert client.get(f"{path}/versions?version=7").status_code == 404


@pytest.mark.parametrize(
    "path", ["", "/new", "/{id}", "/{id}/versions", "/{id}/delete", "/{id}/preview"]
)
def test_pages_need_a_sign_in(
    anonymous: PageClient, template_id: int, path: str
) -> None:
    answer = anonymous.get(f"/message-templates{path}".format(id=template_id))
    assert answer.status_code == 303
    assert "sign" in answer.headers["Location"] or "login" in answer.headers["Location"]


def test_names_and_findings_are_not_markup(client: PageClient) -> None:
    bad = "<script>alert(1)</script>"
    form = {**FORM, "name": bad, "subject": bad, "html": "{{ x|" + bad + " }}"}
    page = client.get(client.submit("/message-templates/new", form).headers["Location"])
    for text in (page.text, client.get("/message-templates").text):
        assert "<script>alert" not in text
