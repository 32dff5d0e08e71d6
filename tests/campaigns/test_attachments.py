"""Files that go along with every message of a campaign."""

import io
from typing import Any

import pytest

from tests.campaigns.conftest import Desk, MakeDesk
from tests.conftest import PageClient
from webapp.campaigns import attaching, messages
from webapp.campaigns.states import State
from webapp.composing.mime import compose

PNG = b"\x89PNG\r\n\x1a\n picture"


def step(desk: Desk) -> str:
    """Where step 2 is."""
    return f"/campaigns/{desk.campaign.id}/message"


def fields(desk: Desk, **more: Any) -> dict[str, Any]:
    """What step 2 posts."""
    campaign = desk.fresh()
    chosen = {
        "message_template_id": campaign.message_template_id,
        "sender_id": campaign.sender_id,
        "version": campaign.version,
    }
    return {**chosen, **more}


def file(name: str, content: bytes) -> Any:
    """A file as a browser posts it."""
    return (io.BytesIO(content), name)


def test_a_file_is_attached_shown_and_removed(client: PageClient, desk: Desk) -> None:
    data = fields(
        desk, file=file("plan.pdf", b"%PDF-1.7"), attach="1", cc="a@b.example"
    )
    answer = client.submit(step(desk), data)
    assert answer.location.endswith(step(desk))
    campaign = desk.fresh()
    assert campaign.cc == ["a@b.example"]
    (one,) = campaign.attachments
    assert (one["filename"], one["content_type"]) == ("plan.pdf", "application/pdf")
    assert "plan.pdf" in client.get(step(desk)).text
    remove = fields(desk, remove=f"{one['sha256']}:")
    assert client.submit(step(desk), remove).location.endswith(step(desk))
    assert desk.fresh().attachments == []


def test_a_file_that_was_chosen_goes_along_without_its_button(
    client: PageClient, desk: Desk
) -> None:
    answer = client.submit(step(desk), fields(desk, file=file("a.txt", b"a")))
    assert answer.location.endswith("/preview")
    assert len(desk.fresh().attachments) == 1


def test_attaching_makes_a_check_worthless(client: PageClient, desk: Desk) -> None:
    assert desk.checked().state is State.READY
    client.submit(step(desk), fields(desk, file=file("a.txt", b"a"), attach="1"))
    assert desk.fresh().state is State.DRAFT


@pytest.mark.parametrize(
    ("name", "content", "content_id", "words"),
    [
        ("a.exe", b"x", "", "is a program"),
        ("a.txt", b"", "", "is empty"),
        ("a.png", PNG, "a b", "Letters, digits"),
    ],
)
def test_what_cannot_be_attached_is_refused_in_words(
    client: PageClient,
    desk: Desk,
    name: str,
    content: bytes,
    content_id: str,
    words: str,
) -> None:
    data = fields(desk, file=file(name, content), content_id=content_id, attach="1")
    answer = client.submit(step(desk), data)
    assert answer.status_code == 422
    assert words in answer.text
    assert desk.fresh().attachments == []


def test_all_files_together_have_a_limit(
    client: PageClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "LARGEST_ATTACHMENTS", 1000)
    first = client.submit(step(desk), fields(desk, file=file("a.txt", b"a" * 600)))
    assert first.status_code == 303
    second = client.submit(step(desk), fields(desk, file=file("b.txt", b"b" * 600)))
    assert second.status_code == 422
    assert "MB together" in second.text
    assert len(desk.fresh().attachments) == 1


def test_check_and_send_name_the_files_and_the_messages_carry_them(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk(html="<p>Dear {{ first_name }}</p><img src='cid:photo' alt='x'>")
    sent = fields(desk, file=file("p.png", PNG), content_id="cid:photo", attach="1")
    client.submit(step(desk), sent)
    campaign = desk.checked()
    for page in ("check", "send"):
        assert "p.png" in client.get(f"/campaigns/{campaign.id}/{page}").text
    desk.launched()
    for message in desk.messages():
        data = compose(messages.letter(message)).data
        assert b"Content-ID: <photo>" in data


def test_images_that_miss_or_are_never_shown_are_findings(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk(html="<p>Dear {{ first_name }}</p><img src='cid:one' alt='x'>")
    sent = fields(desk, file=file("p.png", PNG), content_id="two", attach="1")
    client.submit(step(desk), sent)
    found = {one["code"]: one for one in desk.checked().check_result["findings"]}
    assert "cid:one" in found["I01"]["message"]
    assert "cid:two" in found["I02"]["message"]
    assert desk.fresh().state is State.DRAFT


def test_own_headers_are_written_on_the_page(client: PageClient, desk: Desk) -> None:
    sent = fields(desk, headers="X-Topic: books\nX-B: Größe")
    assert client.submit(step(desk), sent).status_code == 303
    assert desk.fresh().headers == {"X-Topic": "books", "X-B": "Größe"}
    assert "X-Topic: books\nX-B: Größe" in client.get(step(desk)).text
    desk.launched()
    data = compose(messages.letter(desk.messages()[0])).data
    assert b"X-Topic: books\r\n" in data
