"""The description of the API, against the specification and against the routes."""

from typing import Any

from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.conftest import PageClient
from webapp.core.openapi import PREFIX


def described(client: PageClient) -> dict[str, Any]:
    answer = client.get("/api/v1/openapi.json")
    assert answer.json is not None
    return dict(answer.json)


def test_it_is_valid_openapi(anonymous: PageClient) -> None:
    assert list(OpenAPIV31SpecValidator(described(anonymous)).iter_errors()) == []


def test_every_api_route_is_in_it(app: Flask, anonymous: PageClient) -> None:
    paths = described(anonymous)["paths"]
    routes = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX)]
    missing = [
        rule.rule
        for rule in routes
        if not hasattr(app.view_functions[rule.endpoint], "operation")
    ]
    assert missing == []
    assert "/status" in paths


def test_addresses_come_from_the_settings(anonymous: PageClient) -> None:
    answer = anonymous.get("/api/v1/openapi.json", headers={"Host": "localhost"})
    assert answer.json is not None
    assert answer.json["servers"][0]["url"].startswith("https://post.example.org/")
