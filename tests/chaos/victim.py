"""A send worker in a hurry, which may come to grief: ``python -m tests.chaos.victim``.

It is `worker.main` in a process of its own, with shorter waits, so that a campaign of
the chaos suite recovers within seconds, and with what the environment says:

    CHAOS_POINTS names of `points.POINTS`, where it happens, with bars
    CHAOS_FATE   kill, freeze or lose
    CHAOS_NTH    at which time it gets there; 1 unless said
    CHAOS_NOTES  a directory where it leaves a note before
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import worker
from tests.chaos import points
from webapp.campaigns import launching
from webapp.delivery import (
    breaker,
    connections,
    leases,
    liveness,
    outcomes,
    reconcile,
)

# The same proportions as in the product, a few times faster.
HASTE: tuple[tuple[Any, str, Any], ...] = (
    (liveness, "BEAT_SECONDS", 0.5),
    (liveness, "SILENT_SECONDS", 3.0),
    (liveness, "DOUBTFUL_SECONDS", 2.25),
    (liveness, "HOLD_SECONDS", 1.5),
    (leases, "FRESH_SECONDS", 1.5),
    (connections, "LOOK_UP_SECONDS", 0.3),
    (reconcile, "TICK_SECONDS", 0.4),
    (outcomes, "LOST_AFTER", 1),
    (breaker, "OPEN_SECONDS", (0.3, 0.6, 1, 1, 1)),
    (connections, "IDLE_SECONDS", 3.0),
    (launching, "STALLED", timedelta(seconds=2)),
    (launching, "BATCH", 50),
    (worker, "LONGEST_PAUSE", 1.0),
)


def hasten() -> None:
    """Shorten the waits of this process."""
    for module, name, value in HASTE:
        assert hasattr(module, name), f"{module.__name__} has no {name} any more"
        setattr(module, name, value)


def main() -> int:
    """Be a worker."""
    hasten()
    names = os.environ.pop("CHAOS_POINTS", "")
    if names:
        notes = Path(os.environ.pop("CHAOS_NOTES"))
        fate = points.fate_of(os.environ.pop("CHAOS_FATE", "kill"), notes)
        nth = int(os.environ.pop("CHAOS_NTH", "1"))
        for number, name in enumerate(names.split("|")):
            points.arm(name, fate, nth + number)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
