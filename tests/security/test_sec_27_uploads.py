"""SECURITY 27: an upload is capped, typed by its content, and never a file of ours."""

import io
from typing import Any

import pytest
from flask import Flask

from tests.conftest import ApiClient, PageClient
from webapp.campaigns import single_api
from webapp.campaigns.models import Upload
from webapp.core.blobs import Blob
from webapp.core.db import db

NAMES = [
    "../../static/js/app.js.txt",
    "C:\\windows\\a.txt",
    'a"; filename=b.txt',
    "Größe\u202etxt.pdf",
    "x" * 400 + ".txt",
    "..",
]


def given(name: str, content: bytes = b"plan") -> dict[str, Any]:
    """A multipart body with one file."""
    return {"data": {"file": (io.BytesIO(content), name)}}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_becomes_harmless(api: ApiClient, name: str) -> None:
    answer = api.call("POST", "/uploads", **given(name))
    assert answer.status_code == 201
    assert answer.json
    kept = answer.json["file_name"]
    assert kept
    assert len(kept) <= 150
    assert not set(kept) & set('\r\n\0\\/<>|":\u202e')
    content = api.get(f"/uploads/{answer.json['id']}/content")
    assert content.headers["Content-Disposition"].startswith("attachment; ")


def test_a_stranger_gives_and_gets_nothing(app: Flask, api: ApiClient) -> None:
    made = api.call("POST", "/uploads", **given("plan.txt")).json
    assert made
    stranger = app.test_client()
    assert stranger.post("/api/v1/uploads", **given("x.txt")).status_code == 401
    for path in ("", "/content"):
        place = f"/api/v1/uploads/{made['id']}{path}"
        assert stranger.get(place).status_code == 401
    assert db.session.query(Upload).count() == 1


def test_a_page_session_is_no_key_to_the_api(client: PageClient) -> None:
    assert client.post("/api/v1/uploads", **given("x.txt")).status_code == 401


def test_what_is_too_large_is_not_stored(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_api.upload, "max_octets", 1000)
    answer = api.call("POST", "/uploads", **given("a.txt", b"x" * 2000))
    assert answer.status_code == 413
    assert db.session.query(Upload).count() == db.session.query(Blob).count() == 0


def test_a_page_that_claims_to_be_text_is_never_shown(api: ApiClient) -> None:
    html = b"<!doctype html><script>alert(1)</script>"
    made = api.call("POST", "/uploads", **given("a.txt", html)).json
    assert made
    answer = api.get(f"/uploads/{made['id']}/content")
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
