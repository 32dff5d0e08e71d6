"""SECURITY 32: the headers that defend are on every answer, errors and all."""

import pytest
from flask import Flask

from tests.conftest import PageClient
from tests.security.test_sec_17_csrf import address
from webapp.core.http import POLICY

# Views whose answers are shown in a frame or downloaded, with a policy of their own.
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def assert_defended(answer: object, where: object) -> None:
    headers = answer.headers  # type: ignore[attr-defined]  # a test response
    for name, value in ALWAYS.items():
        assert headers[name] == value, (where, name)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy, where
    assert "unsafe-eval" not in policy, where
    script = [part for part in policy.split(";") if "script-src" in part]
    assert not any("unsafe-inline" in part for part in script), where
    assert "frame-ancestors" in policy, where


def test_every_route_is_defended_signed_in_or_not(
    app: Flask, client: PageClient, anonymous: PageClient
) -> None:
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) & {"GET", "POST"}:
            path = address(app, rule, method)
            for browser in (client, anonymous):
                assert_defended(browser.open(path, method=method), rule)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/static/nothing"])
def test_errors_are_defended(client: PageClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert_defended(answer, path)


def test_pages_keep_inline_code_and_frames_out() -> None:
    assert "unsafe-inline" not in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert "base-uri 'none'" in POLICY
    assert "form-action 'self'" in POLICY


def test_data_is_not_kept_by_browsers(client: PageClient) -> None:
    for path in ("/", "/account", "/api/v1/status", "/login"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


def test_no_server_or_framework_is_named(client: PageClient) -> None:
    assert "X-Powered-By" not in client.get("/").headers
