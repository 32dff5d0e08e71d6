"""Attack 40: a forged Host decides where the links of a mail lead."""

import pytest

from tests.conftest import ApiClient

FORGED = [
    {"Host": "localhost", "X-Forwarded-Host": "evil.example"},
    {"Host": "localhost", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "1"},
    {"Host": "127.0.0.1:9"},
    {"Host": "localhost", "Forwarded": "host=evil.example"},
]
BODY = """<a href="/a">a</a> <a href="{{ url('/b') }}">b</a> <img src="c.png" alt="">
<a href="{{ unsubscribe_url }}">u</a> <a href="{{ view_url }}">v</a>"""


@pytest.mark.parametrize("forged", FORGED)
def test_links_come_from_the_settings(api: ApiClient, forged: dict[str, str]) -> None:
    made = api.post(
        "/message-templates",
        {"name": "N", "format": "html", "subject": "s", "html": BODY},
    ).json
    assert made is not None
    path = f"/message-templates/{made['id']}/preview"
    shown = api.post(path, {"values": {}}, headers=forged).json
    assert shown is not None
    assert len(shown["links"]) == 5
    for link in shown["links"]:
        assert link["new"].startswith("https://post.example.org/")
    assert "evil" not in shown["html"] + shown["text"]


def test_a_host_that_is_not_ours_is_refused(api: ApiClient) -> None:
    answer = api.get("/message-templates", headers={"Host": "evil.example"})
    assert answer.status_code == 400
