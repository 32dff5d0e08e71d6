"""The preview page: any row, every form, and a frame that can do nothing."""

import pytest

from tests.conftest import PageClient
from webapp.core.db import db
from webapp.message_templates import service


def path(template_id: int, table_id: int, **asked: object) -> str:
    more = "".join(f"&{name}={value}" for name, value in asked.items())
    return f"/message-templates/{template_id}/preview?table={table_id}{more}"


def test_first_row_is_shown(
    client: PageClient, template_id: int, table_id: int
) -> None:
    page = client.get(path(template_id, table_id)).text
    assert "Hello Ada" in page
    assert "Dear Ada, come in: https://post.example.org/hall" in page
    assert "row 1 of 3" in page
    assert "Missing values <b>1</b>" in page
    assert "1990-12-01" in page


def test_any_row_can_be_chosen(
    client: PageClient, template_id: int, table_id: int
) -> None:
    assert "Hello Cy &lt;i&gt;" in client.get(path(template_id, table_id, row=3)).text
    assert "row 3 of 3" in client.get(path(template_id, table_id, row=99)).text
    assert "row 1 of 3" in client.get(path(template_id, table_id, row="x")).text


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ({"pick": "missing"}, 2),
        ({"pick": "longest"}, 3),
        ({"q": "cy%40"}, 3),
        ({"q": "1991"}, 2),
    ],
)
def test_rows_worth_looking_at_are_found(
    client: PageClient, template_id: int, table_id: int, asked: dict[str, str], row: int
) -> None:
    assert f"row {row} of 3" in client.get(path(template_id, table_id, **asked)).text


def test_a_row_that_fails_says_why_and_leads_on(
    client: PageClient, template_id: int, table_id: int
) -> None:
    page = client.get(path(template_id, table_id, row=2)).text
    assert "Row 2 cannot be rendered:" in page
    assert "“first_name” is empty in this row" in page
    assert "line 1" in page
    assert "Next row that works: 3" in page


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("html", "&lt;strong&gt;Ada&lt;/strong&gt;"),
        ("headers", "Subject: Hello Ada"),
        ("source", "multipart/alternative"),
        ("links", "https://post.example.org/hall"),
    ],
)
def test_other_forms(
    client: PageClient, template_id: int, table_id: int, view: str, shown: str
) -> None:
    assert shown in client.get(path(template_id, table_id, view=view)).text


def test_links_are_listed_old_and_new(
    client: PageClient, template_id: int, table_id: int
) -> None:
    page = client.get(path(template_id, table_id)).text
    assert "/hall</p>" in page
    assert "https://post.example.org/hall</p>" in page


def test_without_rows_it_says_what_to_do(client: PageClient, template_id: int) -> None:
    page = client.get(f"/message-templates/{template_id}/preview").text
    assert "Add a row to see a preview" in page


def frame(
    client: PageClient, template_id: int, table_id: int, **asked: object
) -> tuple[str, str]:
    where = path(template_id, table_id, **asked).replace("/preview?", "/preview/frame?")
    answer = client.get(where)
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text, answer.headers["Content-Security-Policy"]


def test_the_frame_is_a_document_that_can_do_nothing(
    client: PageClient, template_id: int, table_id: int
) -> None:
    text, policy = frame(client, template_id, table_id)
    assert "<strong>Ada</strong>" in text
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "script-src" not in policy


def test_the_page_holds_the_frame_in_a_sandbox(
    client: PageClient, template_id: int, table_id: int
) -> None:
    page = client.get(path(template_id, table_id)).text
    assert page.count("<iframe") == 1
    assert "sandbox\n" in page
    assert "allow-" not in page


def test_images_load_only_when_asked(client: PageClient, table_id: int) -> None:
    made = service.create(
        "I", format="html", subject="s", html="<img src='/a.png' alt='A'>"
    )
    template_id = made.id
    db.session.rollback()
    text, policy = frame(client, template_id, table_id)
    assert 'src=""' in text
    text, policy = frame(client, template_id, table_id, images="on")
    assert 'src="https://post.example.org/a.png"' in text
    assert "img-src data: https: http:;" in policy


def test_a_failing_row_has_a_frame_with_words(
    client: PageClient, template_id: int, table_id: int
) -> None:
    text, _policy = frame(client, template_id, table_id, row=2)
    assert "is empty in this row" in text


def test_a_draft_is_shown_without_being_saved(
    client: PageClient, template_id: int, table_id: int
) -> None:
    form = {
        "format": "html",
        "subject": "s",
        "html": "<p>{{ first_name }}!</p>",
        "table": table_id,
    }
    answer = client.submit("/message-templates/draft", form).json
    assert answer is not None
    assert answer["ok"] is True
    assert "Ada!" in answer["fragment"]
    assert "<p>Ada!</p>" in client.submit("/message-templates/draft/frame", form).text
    broken = client.submit("/message-templates/draft", {**form, "html": "{{ nmae"}).json
    assert broken is not None
    assert broken["ok"] is False
    assert "unexpected end of template" in broken["fragment"]
    assert service.get(template_id).version == 1


def test_a_draft_needs_the_token_of_the_page(client: PageClient, table_id: int) -> None:
    answer = client.post("/message-templates/draft/frame", data={"table": table_id})
    assert answer.status_code == 400


def test_tables_and_message_templates_that_are_not_there(
    client: PageClient, template_id: int, table_id: int
) -> None:
    assert client.get(path(template_id, 99)).status_code == 404
    assert client.get(path(99, table_id)).status_code == 404
