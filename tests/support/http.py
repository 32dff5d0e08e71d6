"""Calls to the API of a running desk, over a real connection."""

import json
import urllib.error
import urllib.request
from typing import Any

PATIENCE = 60


class Refusal(AssertionError):
    """The API answered with a problem."""


class Api:
    """``/api/v1`` of a running desk, with a token."""

    def __init__(self, origin: str, token: str) -> None:
        self.origin = origin
        self.token = token

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call and return the JSON answer.

        Raises
        ------
        Refusal
            If the status is 400 or more; the words of the problem are in it.
        """
        request = urllib.request.Request(  # noqa: S310 - a desk of this test
            f"{self.origin}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - a desk of this test
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode()
            raise Refusal(f"{method} {path}: {error.code} {words}") from error

    def get(self, path: str) -> Any:
        """Return what is at a path."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """Post to a path."""
        return self.call("POST", path, {} if body is None else body)
