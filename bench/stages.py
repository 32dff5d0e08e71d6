"""Where the microseconds of one message go: ``python -m bench.stages [messages]``.

Runs the worker's own loop in this process against smtp-sink, and notes for each stage
the processor time of the loop's thread and the time that passed. What passes without
processor time is waiting: for a commit, for the other threads, for the machine.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, current_app

from bench.campaign import BACKLOG, CONNECTIONS
from bench.desk import Desk, desk
from tests.support.smtp_servers import smtp_sink
from webapp.campaigns import launching, letters
from webapp.campaigns.states import Status
from webapp.core.db import db
from webapp.delivery import due, engine, liveness, marking, plans, preparing

MESSAGES = 4000
STAGES: tuple[tuple[Any, str, str], ...] = (
    (due, "rows_due", "read the rows"),
    (preparing, "_rendered", "values, tokens and rendering (segments)"),
    (letters, "letter_of", "the letter: addresses, list headers"),
    (letters, "finished", "compose the bytes"),
    (marking, "record", "record: message, attempt, timeline"),
    (marking, "_mark", "mark: message, attempt, timeline"),
    (engine, "exchange", "the whole transaction, its commit included"),
)


@dataclass
class Spent:
    """What one stage has taken so far, in seconds."""

    processor: float = 0.0
    passed: float = 0.0


def _timed(spent: Spent, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
    processor, passed = time.thread_time(), time.perf_counter()
    try:
        return work(*given, **named)
    finally:
        spent.processor += time.thread_time() - processor
        spent.passed += time.perf_counter() - passed


def main() -> None:
    """Send a campaign and print the stages."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    taken: dict[str, Spent] = {}
    for module, name, words in STAGES:
        taken[words] = Spent()
        setattr(module, name, partial(_timed, taken[words], getattr(module, name)))
    with smtp_sink(backlog=BACKLOG) as port, desk(count, 0) as at_work:
        campaign_id = at_work.campaign(port, CONNECTIONS)
        launching.launch(campaign_id, count, hold_seconds=0)
        taken["launch: write the row"] = launch = Spent()
        _timed(launch, launching.run, campaign_id)
        db.session.remove()
        taken["the loop's thread, all together"] = loop = Spent()
        before = resource.getrusage(resource.RUSAGE_SELF)
        _timed(loop, _send, at_work, campaign_id, count)
        after = resource.getrusage(resource.RUSAGE_SELF)
    for words, spent in taken.items():
        _print(words, spent, count)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    threads = Spent(used - loop.processor, loop.passed)
    _print("the connections' threads", threads, count)


def _send(at_work: Desk, campaign_id: int, count: int) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    assert isinstance(app, Flask)
    made = engine.Engine(app, liveness.register())
    generation = 0
    while at_work.statuses(campaign_id) != {Status.SENT: count}:
        generation += 1
        plan = plans.of_campaign(campaign_id, generation)
        assert plan is not None
        made.work(plan)
    made.drain()


def _print(words: str, spent: Spent, count: int) -> None:
    processor, passed = (x / count * 1e6 for x in (spent.processor, spent.passed))
    sys.stdout.write(f"{processor:8.1f} µs of {passed:8.1f} µs  {words}\n")


if __name__ == "__main__":
    main()
