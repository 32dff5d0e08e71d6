"""SECURITY 40: a forged Host header reaches nothing and is in no link."""

import pytest

from tests.conftest import PageClient
from webapp.operators import setup
from webapp.operators.models import Operator


@pytest.mark.parametrize(
    "host", ["evil.example", "post.example.org.evil.example", "evil.example:80", ""]
)
def test_an_unknown_host_is_refused(anonymous: PageClient, host: str) -> None:
    answer = anonymous.get("/login", headers={"Host": host})
    assert answer.status_code == 400
    assert "evil.example" not in answer.text


@pytest.mark.parametrize("host", ["post.example.org", "127.0.0.1:8000", "localhost"])
def test_our_own_hosts_are_served(anonymous: PageClient, host: str) -> None:
    assert anonymous.get("/login", headers={"Host": host}).status_code == 200


def test_forwarded_hosts_are_not_believed(
    anonymous: PageClient, operator: Operator
) -> None:
    del operator
    answer = anonymous.get("/", headers={"X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.headers["Location"]


def test_no_page_links_absolutely(client: PageClient) -> None:
    for path in ("/", "/account", "/help"):
        assert "http://localhost" not in client.get(path).text


def test_the_set_up_link_comes_from_the_settings(anonymous: PageClient) -> None:
    del anonymous
    assert setup.issue_token()
