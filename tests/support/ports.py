"""Loopback ports for one test alone.

A port that the kernel chose and that was closed again is anybody's: the next
connection, or a server of another process of the test run, may be given it before our
server begins. So ports that must be known beforehand are taken from below those that
the kernel gives away, and a name that only one process can have keeps each for it.
"""

import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LOWEST = 10_000
GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")

_kept: list[socket.socket] = []


def free_port() -> int:
    """Return a loopback port where nothing listens, and that no other test is given."""
    return next(port for port in _numbers() if _keep(port) and _is_free(port))


@cache
def _numbers() -> Iterator[int]:
    """Go round the ports that the kernel does not give away, not all from the first."""
    first, last = (int(word) for word in GIVEN_AWAY.read_text().split())
    room = range(LOWEST, first) if first > LOWEST else range(last + 1, 2**16)
    start = os.getpid() * 97 % len(room)
    return itertools.cycle([*room[start:], *room[:start]])


def _keep(port: int) -> bool:
    """Keep this number for our process, if no other has it."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0postroom-test-port-{port}")
    except OSError:
        name.close()
        return False
    _kept.append(name)
    return True


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
