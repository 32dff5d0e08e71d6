"""The process beside the worker writes the same letters; losing it loses nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from tests.support.sending import Desk
from webapp.composing import dkim
from webapp.core.db import db
from webapp.delivery import plans, writing_apart
from webapp.delivery.engine import Engine
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import prepare
from webapp.delivery.writing import Prepared, Ready
from webapp.delivery.writing_apart import Writer
from webapp.message_templates.rendering import RenderPool

COUNT = 300


def until(check: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def writer() -> Iterator[Writer]:
    """A process that takes questions."""
    writer = Writer()
    until(writer.is_warm)
    yield writer
    writer.close()


@pytest.fixture
def plan(desk: Desk) -> Plan:
    """The plan of a campaign."""
    found = plans.of_campaign(desk.campaign(COUNT).id, 1)
    assert found is not None
    db.session.rollback()
    return found


def letters_of(plan: Plan, writer: Writer | None) -> list[Ready]:
    with RenderPool() as pool:
        return [one for chunk in prepare(plan, pool, writer) for one in chunk]


def told(ready: list[Ready]) -> list[tuple[object, ...]]:
    """Return all but the moment of preparing, which fixes the date."""
    return [
        (one.id, one.targets, one.message_id_header, bare(one.composed.data))
        for one in ready
        if isinstance(one, Prepared)
    ]


def bare(data: bytes) -> bytes:
    return b"\n".join(
        line for line in data.split(b"\r\n") if not line.startswith(b"Date:")
    )


def process_of(writer: Writer) -> subprocess.Popen[bytes]:
    assert writer._process is not None
    return writer._process


def test_the_letters_are_the_same(plan: Plan, writer: Writer) -> None:
    here, apart = letters_of(plan, None), letters_of(plan, writer)
    assert len(apart) == COUNT
    assert writer._number > 0
    assert told(apart) == told(here)


def test_it_signs_as_well(plan: Plan, writer: Writer) -> None:
    assert plan.stationery is not None
    made = dkim.make(dkim.Algorithm.ED25519)
    signer = dkim.load(made.private_pem, "example.com", "one")
    signing = replace(plan, stationery=replace(plan.stationery, signers=(signer,)))
    apart = letters_of(signing, writer)
    assert writer._number > 0
    assert all(
        b"DKIM-Signature:" in one.composed.data
        for one in apart
        if isinstance(one, Prepared)
    )


def test_what_was_asked_for_before_is_not_taken_for_it(
    plan: Plan, writer: Writer
) -> None:
    with RenderPool() as pool:
        abandoned = prepare(plan, pool, writer)
        next(abandoned)
    assert told(letters_of(plan, writer)) == told(letters_of(plan, None))


def test_a_killed_process_loses_nothing(plan: Plan, writer: Writer) -> None:
    with RenderPool() as pool:
        chunks = prepare(plan, pool, writer)
        found = next(chunks)
        process_of(writer).kill()
        found += [one for chunk in chunks for one in chunk]
    assert told(found) == told(letters_of(plan, None))


def test_a_silent_process_is_not_waited_for_long(
    plan: Plan, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_apart, "PATIENCE_SECONDS", 0.3)
    frozen = process_of(writer)
    frozen.send_signal(signal.SIGSTOP)
    found = letters_of(plan, writer)
    assert told(found) == told(letters_of(plan, None))
    assert frozen.poll() is not None


def test_after_a_loss_it_is_left_alone_for_a_while(writer: Writer) -> None:
    process_of(writer).kill()
    writer.close()
    assert not writer.is_warm()
    assert writer._process is None


def test_it_ends_with_a_worker_that_is_killed() -> None:
    code = (
        "import time; from webapp.delivery.writing_apart import Writer; w = Writer()\n"
        "while not w.is_warm(): time.sleep(0.02)\n"
        "print(w._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(  # noqa: S603 - this interpreter, our own line
        [sys.executable, "-c", code], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        os.kill(owner.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid), 10.0)


def test_a_campaign_goes_out_through_it(desk: Desk, engine: Engine) -> None:
    until(engine._writer.is_warm)
    plan = plans.of_campaign(desk.campaign(COUNT).id, 1)
    assert plan is not None
    engine.work(plan)
    assert desk.statuses() == {"sent": COUNT}
    assert engine._writer._number > 0
