"""SECURITY 10: opening a mail tells nobody; images of the web come only when asked."""

import pytest

from tests.conftest import PageClient
from tests.mailboxes.samples import newsletter, put
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.sanitise import clean_html

LEAKS = [
    "<img src='{url}'>",
    "<img src='//leak.example/x'>",
    "<img srcset='{url} 2x'>",
    "<body background='{url}'>",
    "<td background='{url}'>x</td>",
    "<p style='background-image:url({url})'>x</p>",
    "<p style=\"background:u\\72l('{url}')\">x</p>",
    "<ul style='list-style:url({url})'><li>x</ul>",
    "<p style='content:url({url})'>x</p>",
    "<p style='--x:url({url});background:var(--x)'>x</p>",
    "<p style='background:image-set(\"{url}\" 1x)'>x</p>",
    "<p style='cursor:url({url}),auto'>x</p>",
    "<style>body{{background:url({url})}}</style>",
    "<link rel=prefetch href='{url}'>",
    "<link rel=dns-prefetch href='//leak.example'>",
    "<video src='{url}' poster='{url}'></video>",
    "<audio src='{url}' autoplay></audio>",
    "<object data='{url}'></object>",
    "<embed src='{url}'>",
    "<iframe src='{url}'></iframe>",
    "<input type=image src='{url}'>",
    "<svg><image href='{url}'/><use href='{url}#x'/></svg>",
    "<image src='{url}'>",
    "<bgsound src='{url}'>",
    "<table background='{url}'><tr><td>x</table>",
    "<meta http-equiv=refresh content='0;url={url}'>",
]
URL = "https://leak.example/pixel.gif?who=ada"


@pytest.fixture
def frame(client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str) -> str:
    """The address of a newsletter's frame."""
    del client
    put(dovecot, login, newsletter())
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/triage/{mailbox.id}/{inbox.id}/1"
    db.session.commit()
    return f"{path}/frame"


@pytest.mark.parametrize("html", LEAKS)
@pytest.mark.parametrize("remote_images", [False, True])
def test_only_an_asked_for_image_names_the_web(html: str, remote_images: bool) -> None:
    clean = clean_html(html.format(url=URL), remote_images=remote_images).html
    is_image = html.startswith(("<img src='{url}", "<image src='{url}"))
    expected = is_image and remote_images  # browsers read <image> as <img>
    assert ("leak.example" in clean) is expected, clean


def test_without_asking_the_policy_blocks_the_web(
    client: PageClient, frame: str
) -> None:
    answer = client.get(frame)
    assert "img-src data:;" in answer.headers["Content-Security-Policy"]
    assert "tracker.example" not in answer.get_data(as_text=True)


def test_the_mail_own_images_are_inside(client: PageClient, frame: str) -> None:
    assert "data:image/png;base64,iVBOR" in client.get(frame).get_data(as_text=True)


def test_asking_shows_them_for_that_answer_only(client: PageClient, frame: str) -> None:
    asked = client.get(f"{frame}?images=1")
    assert "img-src data: https:;" in asked.headers["Content-Security-Policy"]
    assert "https://tracker.example/pixel.gif" in asked.get_data(as_text=True)
    again = client.get(frame)
    assert "tracker.example" not in again.get_data(as_text=True)


def test_the_page_offers_to_show_them(client: PageClient, frame: str) -> None:
    page = client.get(frame.removesuffix("/frame")).get_data(as_text=True)
    assert "Remote images are not loaded." in page
    assert "Show images" in page


def test_an_image_over_plain_http_is_never_shown() -> None:
    clean = clean_html("<img src='http://leak.example/x'>", remote_images=True)
    assert "leak.example" not in clean.html


def test_the_frame_sends_no_referrer(client: PageClient, frame: str) -> None:
    assert client.get(frame).headers["Referrer-Policy"] == "no-referrer"
