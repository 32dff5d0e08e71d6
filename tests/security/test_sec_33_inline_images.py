"""SECURITY 33: inline images stand in the sandboxed document; nothing is fetched."""

import re

import pytest

from tests.campaigns.conftest import Desk, desk_of
from tests.conftest import PageClient
from webapp.campaigns import attaching, message_tokens
from webapp.campaigns.letters import VIEW, token_key
from webapp.core.db import db
from webapp.message_templates import pictures
from webapp.message_templates.pictures import with_pictures
from webapp.operators.models import Operator

PNG = b"\x89PNG\r\n\x1a\n picture"
HTML = "<p>{{ first_name }}</p><img src='cid:a' alt=''><a href='cid:a'>x</a>"


@pytest.mark.parametrize(
    "content",
    [b"<svg onload=alert(1)>", b"<html>", b"%PDF-1.7", b"", b"RIFF1234WEBP", b"BM"],
)
def test_what_is_no_raster_image_is_not_shown(content: bytes) -> None:
    assert "data:" not in with_pictures('<img src="cid:a">', {"a": content})


def test_a_large_one_is_not_shown() -> None:
    large = PNG + b"x" * pictures.LARGEST
    assert "data:" not in with_pictures('<img src="cid:a">', {"a": large})


def test_only_images_are_replaced_and_only_those_that_go_along() -> None:
    html = '<img src="cid:a"><img src="cid:b"><a href="cid:a">x</a>'
    shown = with_pictures(html, {"a": PNG})
    assert shown.count("data:image/png;base64,") == 1
    assert 'src="cid:b"' in shown
    assert 'href="cid:a"' in shown


@pytest.fixture
def desk(operator: Operator) -> Desk:
    """A launched campaign that shows an image."""
    desk = desk_of(html=HTML)
    attaching.attach(desk.campaign.id, operator, "a.png", PNG, "a")
    desk.launched()
    return desk


def test_the_frame_and_the_public_view_hold_it_and_can_do_nothing(
    client: PageClient, anonymous: PageClient, desk: Desk
) -> None:
    message = desk.messages()[0]
    token = message_tokens.sign(token_key(), message.public_id, VIEW)
    place = f"/campaigns/{message.campaign_id}/messages/{message.id}/frame"
    db.session.rollback()
    for page in (client.get(place), anonymous.get(f"/v/{token}")):
        assert 'src="data:image/png;base64,iVBOR' in page.text
        policy = page.headers["Content-Security-Policy"]
        assert re.search(r"default-src 'none'.*sandbox", policy)
        assert "allow-scripts" not in policy
        assert "allow-same-origin" not in policy
