"""A port is given once, and only while nothing is there."""

import itertools
import socket
import subprocess
import sys

import pytest

from tests.support import ports

ASK = """
import itertools, sys
from tests.support import ports
numbers = itertools.chain([int(sys.argv[1])], ports._numbers())
ports._numbers = lambda: numbers
print(ports.free_port())
"""


def test_another_process_is_given_another_port() -> None:
    given = ports.free_port()
    asked = [sys.executable, "-c", ASK, str(given)]
    told = subprocess.run(asked, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    assert int(told.stdout) != given


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        taken = used.getsockname()[1]
        numbers = itertools.chain([taken], ports._numbers())
        monkeypatch.setattr(ports, "_numbers", lambda: numbers)
        assert ports.free_port() != taken


def test_nothing_listens_on_a_port_that_was_given() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports.free_port()), 60)
