"""SECURITY 08: HTML of strangers runs nothing: three layers, each enough alone."""

import re
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from tests.conftest import PageClient
from tests.mailboxes.samples import mail, put
from tests.support.browser import chromium, window
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders, sanitise
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.sanitise import FRAME_TOKENS, clean_html

COOKIE = "postroom"
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' java\tscript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='data:text/html,x'></object><embed src=x>",
    "<form action='https://evil.example'><input name=p><button>x</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<p style='background:url(https://evil.example/x)'>x</p>",
    "<p style='position:fixed;top:0;left:0;width:9999px;height:9999px'>x</p>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<template><script>alert(1)</script></template>",
    "<table background='https://evil.example/x'><tr><td>x</td></tr></table>",
    "<img srcset='https://evil.example/x 2x' src='https://evil.example/x'>",
    "<image src='https://evil.example/x'><input type=image src='https://evil.example'>",
    "<video poster='https://evil.example/x'><source src='https://evil.example/y'></video>",
    "<p id=main class=topbar name=form>x</p>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<img src='data:image/svg+xml;base64,PHN2Zy8+'>",
    "<img src='data:image/png;base64,PHNjcmlwdD4='>",
    "<a href='https://ok.example' ping='https://evil.example' onclick='x()'>x</a>",
]
FORBIDDEN = re.compile(
    r"<(?:script|svg|math|style|form|input|button|iframe|object|embed|link|meta|base|"
    r"template|video|audio|source|image|noscript)\b"
    r"|\son\w+\s*=|javascript:|srcdoc|srcset|evil\.example|\s(?:id|class|name|ping)\s*="
    r"|position\s*:|url\(|data:(?!image/(?:png|gif|jpeg|webp))",
    re.IGNORECASE,
)
#: A document that attacks from within the frame, sent past the sanitiser.
ACTIVE = """<p>hello</p><script>parent.document.title = 'owned'; top.location = '/owned'
</script><img src=x onerror="parent.document.title='owned'">
<form action='/mailboxes/new' method=post><button>x</button></form>"""


@pytest.mark.parametrize("html", ATTACKS)
def test_nothing_active_is_left(html: str) -> None:
    clean = clean_html(f"<p>before</p>{html}<p>after</p>").html
    assert not FORBIDDEN.search(clean), clean
    assert "before" in clean


def test_cleaning_twice_is_cleaning_once() -> None:
    once = clean_html("".join(ATTACKS)).html
    assert clean_html(once).html == once


@pytest.mark.parametrize(
    "style",
    [
        "width: url(https://evil.example/x)",
        "list-style-type: image(https://evil.example/x)",
        "color: expression(alert(1))",
        "color: var(--of-ours)",
        r"width: \75rl(https://evil.example/x)",
    ],
)
def test_an_allowed_property_fetches_and_computes_nothing(style: str) -> None:
    clean = clean_html(f"<p style='color: red'>a</p><p style='{style}'>b</p>").html
    assert clean == '<p style="color:red">a</p><p>b</p>'


def test_comments_are_gone() -> None:
    assert clean_html("<p>a<!-- [if mso]> b --></p>").html == "<p>a</p>"


def test_images_of_a_mail_are_held_to_a_size_each_and_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sanitise, "IMAGE_CAP", 100)
    monkeypatch.setattr(sanitise, "MOST_INLINE_OCTETS", 170)
    gif = b"GIF89a" + bytes(74)
    images = {"small": gif, "large": gif + bytes(30)}
    three = "<img src='cid:small'>" * 3
    assert clean_html("<img src='cid:large'>", images).html == "<img>"
    assert clean_html(three, images).html.count("data:image/gif") == 2


def test_links_open_elsewhere_and_tell_nothing() -> None:
    clean = clean_html("<a href='https://ok.example/'>x</a>").html
    assert 'rel="noopener noreferrer nofollow"' in clean
    assert 'target="_blank"' in clean


@pytest.fixture
def html_mail(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> str:
    """The path of a mail whose HTML holds every attack."""
    del client
    message = mail("a@example.com", "Attack", "plain")
    message.add_alternative("<p>hello</p>" + "".join(ATTACKS), subtype="html")
    put(dovecot, login, message)
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/triage/{mailbox.id}/{inbox.id}/1"
    db.session.commit()
    return path


def test_the_frame_has_no_scripts_and_no_origin(
    client: PageClient, html_mail: str
) -> None:
    page = client.get(html_mail).get_data(as_text=True)
    [frame] = re.findall(r"<iframe[^>]*>", page)
    assert f'sandbox="{FRAME_TOKENS}"' in frame
    assert "allow-scripts" not in frame
    assert "allow-same-origin" not in frame


def test_the_frame_has_a_policy_of_its_own(client: PageClient, html_mail: str) -> None:
    answer = client.get(f"{html_mail}/frame")
    policy = answer.headers["Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not FORBIDDEN.search(answer.get_data(as_text=True).split("<body>")[1])


def test_no_mail_is_part_of_the_page(client: PageClient, html_mail: str) -> None:
    assert "<p>hello</p>" not in client.get(html_mail).get_data(as_text=True)


# --- in a browser: each layer alone -------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def origin(app: Flask) -> Iterator[str]:
    """The running site."""
    app.config["TRUSTED_HOSTS"] = None
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_frame_and_policy_hold_without_the_sanitiser(
    origin: str,
    html_mail: str,
    client: PageClient,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "webapp.triage.reading_routes.frame_document", lambda _clean: ACTIVE
    )
    cookie = client.get_cookie(COOKIE)
    assert cookie
    with window(browser, origin) as seen:
        page = seen.page
        page.context.add_cookies(
            [{"name": COOKIE, "value": cookie.value, "url": origin}]
        )
        page.goto(origin + html_mail)
        frame = page.frame_locator("iframe.mail-frame")
        frame.get_by_text("hello").wait_for()
        page.wait_for_timeout(300)
        assert page.title().startswith("Attack")
        assert page.url == origin + html_mail
        # Opened alone, without our frame, the policy still holds.
        page.goto(origin + html_mail + "/frame")
        page.wait_for_timeout(300)
        assert page.title() != "owned"
        assert page.url == origin + html_mail + "/frame"


def test_every_attack_in_a_browser_complains_about_nothing(
    origin: str, html_mail: str, client: PageClient, browser: Browser
) -> None:
    cookie = client.get_cookie(COOKIE)
    assert cookie
    with window(browser, origin) as seen:
        seen.page.context.add_cookies(
            [{"name": COOKIE, "value": cookie.value, "url": origin}]
        )
        seen.page.goto(origin + html_mail)
        seen.page.frame_locator("iframe.mail-frame").get_by_text("hello").wait_for()
        seen.page.wait_for_timeout(300)
        assert seen.complaints == []
