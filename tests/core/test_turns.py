"""Conversations take turns in one thread; one that waits or breaks stops no other."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext

import pytest

from webapp.core.turns import Turns, alone, aside, readable, woken, writable

PATIENCE = 60.0


@pytest.fixture
def turns() -> Turns:
    return Turns("turns under test", nullcontext)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


def threads() -> int:
    return sum(one.name == "turns under test" for one in threading.enumerate())


async def echo(connection: socket.socket, heard: list[bytes]) -> None:
    """Note what the other side says, until it hangs up."""
    while True:
        await readable(connection.fileno(), PATIENCE)
        said = connection.recv(100)
        if not said:
            return
        heard.append(said)
        await writable(connection.fileno(), PATIENCE)
        connection.send(said)


def test_many_conversations_share_one_thread(turns: Turns) -> None:
    pairs = [socket.socketpair() for _ in range(50)]
    heard: list[bytes] = []
    for ours, _ in pairs:
        ours.setblocking(False)
        turns.begin(echo(ours, heard))
    for number, (_, theirs) in enumerate(pairs):
        theirs.sendall(b"%d" % number)
    for number, (_, theirs) in enumerate(pairs):
        theirs.settimeout(PATIENCE)
        assert theirs.recv(100) == b"%d" % number
    assert threads() == 1
    assert sorted(heard) == sorted(b"%d" % number for number in range(50))
    for _, theirs in pairs:
        theirs.close()
    wait_for(lambda: threads() == 0)
    for ours, _ in pairs:
        ours.close()


def test_who_hears_nothing_is_told_in_time_and_the_others_go_on(turns: Turns) -> None:
    ours, theirs = socket.socketpair()
    told: list[str] = []

    async def waits(seconds: float) -> None:
        try:
            await readable(ours.fileno(), seconds)
        except TimeoutError:
            told.append(f"{seconds}")

    with closing(ours), closing(theirs):
        began = time.monotonic()
        turns.begin(waits(0.2))
        wait_for(lambda: told == ["0.2"])
        assert time.monotonic() - began >= 0.2
        with pytest.raises(TimeoutError):
            alone(readable(ours.fileno(), 0.05))


def test_what_blocks_is_done_aside_and_what_it_raises_comes_back(turns: Turns) -> None:
    order: list[str] = []
    gate = threading.Event()

    async def slow() -> None:
        order.append(await aside(lambda: "slow" if gate.wait(PATIENCE) else "late"))
        try:
            await aside(lambda: 1 // 0)
        except ZeroDivisionError:
            order.append("raised")

    async def quick() -> None:
        order.append("quick")

    turns.begin(slow())
    turns.begin(quick())
    wait_for(lambda: order == ["quick"])
    gate.set()
    wait_for(lambda: order == ["quick", "slow", "raised"])
    wait_for(lambda: threads() == 0)


def test_a_conversation_that_breaks_takes_none_with_it(
    turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    woke: list[int] = []

    async def breaks() -> None:
        await woken(0.01)
        raise RuntimeError("ada@example.org")

    async def goes_on() -> None:
        await woken(0.1)
        woke.append(1)

    turns.begin(breaks())
    turns.begin(goes_on())
    wait_for(lambda: woke == [1])
    assert "RuntimeError" in caplog.text
    assert "ada@example.org" not in caplog.text
    wait_for(lambda: threads() == 0)


def test_as_many_are_woken_as_there_is_work_for(turns: Turns) -> None:
    woke: list[int] = []
    asked: list[int] = []

    async def waits() -> None:
        await woken(PATIENCE)
        woke.append(1)

    async def looks() -> None:
        asked.append(len(woke))

    for _ in range(5):
        turns.begin(waits())
    turns.begin(looks())
    wait_for(lambda: asked == [0])
    turns.wake(2)
    wait_for(lambda: len(woke) >= 2)
    turns.begin(looks())
    wait_for(lambda: asked == [0, 2])
    turns.wake(3)
    wait_for(lambda: len(woke) == 5)


def test_it_begins_anew_after_its_end(turns: Turns) -> None:
    done: list[int] = []

    async def short() -> None:
        done.append(1)

    for count in range(1, 21):
        turns.begin(short())
        wait_for(lambda count=count: len(done) == count)  # type: ignore[misc]  # a lambda's default has no type
    wait_for(lambda: threads() == 0)
