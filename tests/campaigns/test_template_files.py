"""Files of a message template: by version, with every campaign, in the editor."""

import io
from typing import Any

import pytest
from flask import Flask

from tests.campaigns.conftest import Desk, MakeDesk
from tests.conftest import ApiClient, PageClient
from webapp.campaigns import attaching, messages
from webapp.campaigns.attachments import all_attachments
from webapp.composing.mime import compose
from webapp.core.db import db
from webapp.message_templates import service
from webapp.operators.models import Operator

PNG = b"\x89PNG\r\n\x1a\n picture"
HTML = "<p>Dear {{ first_name }}</p><img src='cid:photo' alt='x'>"


def fields(desk: Desk, **more: Any) -> dict[str, Any]:
    """What the editor posts."""
    template = service.get(desk.template.id)
    kept = service.newest(template)
    held = {name: getattr(kept, name) for name in service.BODY}
    held |= {"format": kept.format.value, "name": template.name}
    held |= {"version": template.version, **more}
    db.session.rollback()
    return held


def attach(client: PageClient, desk: Desk, name: str, content: bytes, cid: str) -> Any:
    data = fields(desk, file=(io.BytesIO(content), name), content_id=cid)
    return client.submit(f"/message-templates/{desk.template.id}/files", data)


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """A campaign whose message template shows an image."""
    return make_desk(html=HTML)


def test_an_image_is_attached_with_the_text_and_sent(
    client: PageClient, desk: Desk
) -> None:
    answer = attach(client, desk, "p.png", PNG, "photo")
    assert answer.location.endswith(f"/message-templates/{desk.template.id}#files")
    page = client.get(f"/message-templates/{desk.template.id}").text
    assert "p.png" in page
    assert 'data-insert="&lt;img src=&#34;cid:photo&#34; alt=&#34;&#34;&gt;"' in page
    desk.launched()
    for message in desk.messages():
        data = compose(messages.letter(message)).data
        assert data.count(b"Content-ID: <photo>") == 1


def test_what_was_typed_is_saved_with_it(client: PageClient, desk: Desk) -> None:
    data = fields(desk, subject="New words", file=(io.BytesIO(b"a"), "a.txt"))
    client.submit(f"/message-templates/{desk.template.id}/files", data)
    kept = service.newest(service.get(desk.template.id))
    assert (kept.subject, len(kept.attachments), kept.number) == ("New words", 1, 2)


def test_versions_and_copies_keep_their_files(client: PageClient, desk: Desk) -> None:
    number = desk.template.id
    attach(client, desk, "p.png", PNG, "photo")
    one = service.newest(service.get(number)).attachments[0]
    client.submit(
        f"/message-templates/{number}/files",
        fields(desk, remove=f"{one['sha256']}:photo"),
    )
    assert service.newest(service.get(number)).attachments == []
    service.restore(number, 2)
    assert service.newest(service.get(number)).attachments == [one]
    assert service.newest(service.duplicate(number)).attachments == [one]


@pytest.mark.parametrize(
    ("name", "content", "cid", "words"),
    [
        ("run.exe", b"x", "", "is a program"),
        ("a.txt", b"", "", "is empty"),
        ("a.png", PNG, "a b", "Letters, digits"),
        ("", b"", "", "Choose a file first"),
    ],
)
def test_what_cannot_be_attached_keeps_what_was_typed(
    client: PageClient, desk: Desk, name: str, content: bytes, cid: str, words: str
) -> None:
    data = fields(desk, subject="Typed", content_id=cid)
    if name:
        data["file"] = (io.BytesIO(content), name)
    answer = client.submit(f"/message-templates/{desk.template.id}/files", data)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="Typed"' in answer.text
    assert service.newest(service.get(desk.template.id)).attachments == []


def test_the_campaigns_image_stands_in_for_the_same_name(
    client: PageClient, desk: Desk, operator: Operator
) -> None:
    attach(client, desk, "p.png", PNG, "photo")
    attach(client, desk, "plan.txt", b"plan", "")
    attaching.attach(desk.campaign.id, operator, "mine.png", PNG + b"2", "photo")
    names = [one["filename"] for one in all_attachments(desk.fresh())]
    assert names == ["plan.txt", "mine.png"]


def test_both_together_have_a_limit(
    app: Flask,
    client: PageClient,
    desk: Desk,
    operator: Operator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del app
    attach(client, desk, "a.txt", b"a" * 600, "")
    monkeypatch.setattr(attaching, "LARGEST_ATTACHMENTS", 1000)
    number = desk.campaign.id
    with pytest.raises(Exception, match="attention"):
        attaching.attach(number, operator, "b.txt", b"b" * 600, "")
    db.session.rollback()
    assert desk.fresh().attachments == []


def test_the_frames_show_the_image_and_fetch_nothing(
    client: PageClient, desk: Desk
) -> None:
    attach(client, desk, "p.png", PNG, "photo")
    desk.launched()
    message = desk.messages()[0]
    campaign, number, template = message.campaign_id, message.id, desk.template.id
    row = message.recipient_id
    db.session.rollback()
    for place in (
        f"/message-templates/{template}/preview/frame",
        f"/campaigns/{campaign}/preview/frame?row={row}",
        f"/campaigns/{campaign}/messages/{number}/frame",
    ):
        page = client.get(place)
        assert 'src="data:image/png;base64,iVBOR' in page.text, place
        assert "script-src" not in page.headers["Content-Security-Policy"]


def test_by_the_api(api: ApiClient, desk: Desk) -> None:
    number = desk.template.id
    db.session.rollback()
    data = {"file": (io.BytesIO(PNG), "p.png")}
    upload = api.post("/uploads", data=data).json
    assert upload
    place = f"/message-templates/{number}"
    files = [{"upload_id": upload["id"], "content_id": "photo"}]
    answer = api.call("PUT", f"{place}/attachments", {"attachments": files})
    assert answer.status_code == 200
    kept = api.get(place).json
    assert kept
    assert [one["content_id"] for one in kept["attachments"]] == ["photo"]
    assert kept["version"] == 2
    several: tuple[Any, ...] = ([{"upload_id": "x"}], [files[0], files[0]], "x", [{}])
    for wrong in several:
        answer = api.call("PUT", f"{place}/attachments", {"attachments": wrong})
        assert answer.status_code == 422
    api.call("PUT", f"{place}/attachments", {"attachments": []})
    assert (api.get(place).json or {})["attachments"] == []
