"""Signing in by XOAUTH2: a token server over HTTPS, and a mail server that checks."""

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from tests.conftest import ApiClient, PageClient
from tests.support.fake_imap import FakeImap, fake_imap
from webapp.core.db import db
from webapp.mailboxes import folders, oauth, reach, service
from webapp.mailboxes.imap_errors import SignInRefused, Unreachable
from webapp.mailboxes.models import MailboxState

LISTED = '* LIST (\\HasNoChildren) "/" "INBOX"\r\n'


@dataclass
class TokenServer:
    """Answers token requests as it is told, and keeps what was asked."""

    url: str = ""
    ca_pem: str = ""
    status: int = 200
    answer: dict[str, Any] = field(
        default_factory=lambda: {"access_token": "t0ken", "expires_in": 3600}
    )
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    """A token server with a certificate for localhost."""
    authority = trustme.CA()
    told = TokenServer(ca_pem=authority.cert_pem.bytes().decode())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            told.asked.append(parse_qs(self.rfile.read(length).decode()))
            body = json.dumps(told.answer).encode()
            self.send_response(told.status)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    told.url = f"https://localhost:{server.server_address[1]}/token"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()
    oauth._kept.clear()


@pytest.fixture
def mails() -> Iterator[FakeImap]:
    """A mail server that offers XOAUTH2 and lists one folder."""
    answers = {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 AUTH=PLAIN\r\n",
        "LIST": LISTED,
        "STATUS": '* STATUS "INBOX" (MESSAGES 0 UNSEEN 0)\r\n',
    }
    with fake_imap(answers) as started:
        yield started


@pytest.fixture
def account(tokens: TokenServer, mails: FakeImap) -> dict[str, Any]:
    """What a form says of such a mailbox."""
    return {
        "name": "OAuth",
        "host": "127.0.0.1",
        "port": mails.port,
        "security": "none",
        "login": "ada@example.com",
        "auth": "xoauth2",
        "oauth_token_url": tokens.url,
        "oauth_client_id": "client",
        "oauth_client_secret": "s3cret",
        "oauth_refresh_token": "r3fresh",
        "oauth_scope": "imap",
        "ca_pem": tokens.ca_pem,
    }


def heard_tokens(mails: FakeImap) -> list[bytes]:
    """Return the answers to AUTHENTICATE that a mail server heard."""
    after = [
        line
        for before, line in zip(mails.heard, mails.heard[1:], strict=False)
        if b"AUTHENTICATE XOAUTH2" in before
    ]
    return [base64.b64decode(line) for line in after]


@pytest.mark.usefixtures("app")
def test_the_token_signs_in(
    account: dict[str, Any], tokens: TokenServer, mails: FakeImap
) -> None:
    mailbox = service.create(**account)
    assert [one.name for one in folders.fresh(mailbox)] == ["INBOX"]
    assert heard_tokens(mails) == [b"user=ada@example.com\1auth=Bearer t0ken\1\1"]
    asked = {name: values[0] for name, values in tokens.asked[0].items()}
    assert asked == {
        "grant_type": "refresh_token",
        "refresh_token": "r3fresh",
        "client_id": "client",
        "client_secret": "s3cret",
        "scope": "imap",
    }


@pytest.mark.usefixtures("app")
def test_a_token_is_asked_for_once_while_it_holds(
    account: dict[str, Any], tokens: TokenServer, mails: FakeImap
) -> None:
    mailbox = service.create(**account)
    for _time in range(3):
        service.probe_mailbox(mailbox)
    assert (len(heard_tokens(mails)), len(tokens.asked)) == (3, 1)


@pytest.mark.usefixtures("app")
def test_a_rotated_refresh_token_is_kept_sealed(
    account: dict[str, Any], tokens: TokenServer
) -> None:
    tokens.answer["refresh_token"] = "r0tated"
    mailbox = service.create(**account)
    folders.fresh(mailbox)
    db.session.refresh(mailbox)
    assert oauth.opened(reach.unsealed(mailbox)) == ("s3cret", "r0tated")
    assert "r0tated" not in mailbox.password_sealed


@pytest.mark.usefixtures("app")
def test_a_refused_refresh_token_needs_attention(
    account: dict[str, Any], tokens: TokenServer, mails: FakeImap
) -> None:
    tokens.status, tokens.answer = 400, {"error": "invalid_grant"}
    mailbox = service.create(**account)
    with pytest.raises(SignInRefused, match="no longer accepts"):
        folders.fresh(mailbox)
    with pytest.raises(SignInRefused):
        folders.fresh(service.get(mailbox.id), force=True)
    assert service.get(mailbox.id).state is MailboxState.NEEDS_ATTENTION
    assert (len(tokens.asked), heard_tokens(mails)) == (1, [])


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (503, {}),
        (200, {"access_token": "a\r\nb"}),
        (200, {"token": "x"}),
        (302, {"access_token": "t0ken"}),
    ],
)
@pytest.mark.usefixtures("app")
def test_trouble_at_the_provider_passes(
    account: dict[str, Any], tokens: TokenServer, status: int, answer: dict[str, Any]
) -> None:
    tokens.status, tokens.answer = status, answer
    mailbox = service.create(**account)
    with pytest.raises(Unreachable):
        folders.fresh(mailbox)
    assert service.get(mailbox.id).state is MailboxState.RETRYING


@pytest.mark.usefixtures("app")
def test_a_mail_server_that_refuses_the_token(
    account: dict[str, Any], mails: FakeImap
) -> None:
    refused = "+ \r\n+ eyJzdGF0dXMiOiI0MDAifQ==\r\nTAG NO [AUTHENTICATIONFAILED] no\r\n"
    mails.answers = {**mails.answers, "AUTHENTICATE": refused}
    mailbox = service.create(**account)
    with pytest.raises(SignInRefused):
        folders.fresh(mailbox)
    assert len(heard_tokens(mails)) == 1


@pytest.mark.usefixtures("app")
def test_a_kept_token_that_ended_early_is_replaced_once(
    account: dict[str, Any],
    tokens: TokenServer,
    mails: FakeImap,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mailbox = service.create(**account)
    service.probe_mailbox(mailbox)
    monkeypatch.setattr(oauth, "MARGIN_SECONDS", 0.0)  # it is old at once
    tokens.answer = {**tokens.answer, "access_token": "an0ther"}
    refused = "+ \r\nTAG NO [AUTHENTICATIONFAILED] ended\r\n"
    answers = iter([refused])
    mails.answers = {
        **mails.answers,
        "AUTHENTICATE": lambda _heard: next(answers, "+ \r\nTAG OK in\r\n"),
    }
    assert service.probe_mailbox(mailbox).ok
    used = [line.split(b"Bearer ")[1][:7] for line in heard_tokens(mails)]
    assert used == [b"t0ken\1\1", b"t0ken\1\1", b"an0ther"]


def test_another_token_address_needs_the_token_again(
    api: ApiClient, account: dict[str, Any]
) -> None:
    made = api.post("/mailboxes", account)
    assert made.status_code == 201, made.get_data(as_text=True)
    assert "r3fresh" not in made.get_data(as_text=True)
    path = f"/mailboxes/{made.get_json()['id']}"
    answer = api.patch(path, {"oauth_token_url": "https://evil.example/token"})
    assert answer.status_code == 422
    assert "oauth_refresh_token" in answer.get_json()["fields"]


@pytest.mark.parametrize(
    "url",
    ["http://localhost/token", "", "https://a:b@localhost/", "ftp://x", "https://"],
)
def test_token_addresses_that_are_none(
    api: ApiClient, account: dict[str, Any], url: str
) -> None:
    answer = api.post("/mailboxes", {**account, "oauth_token_url": url})
    assert answer.status_code == 422
    assert "oauth_token_url" in answer.get_json()["fields"]


@pytest.mark.usefixtures("app")
def test_a_private_token_server_is_not_asked(
    account: dict[str, Any], tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = service.create(**account)
    grant = reach.grant_of(mailbox, reach.unsealed(mailbox))
    monkeypatch.undo()
    strict = type(grant)(grant.token_url, grant.client_id, ca_pem=grant.ca_pem)
    with pytest.raises(Unreachable, match="not public"):
        oauth.token_for(strict, lambda _token: None)
    assert tokens.asked == []


def test_the_form_offers_it(client: PageClient) -> None:
    page = client.get("/mailboxes/new?preset=gmail").get_data(as_text=True)
    assert "https://oauth2.googleapis.com/token" in page
