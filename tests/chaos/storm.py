"""A storm: blows at random, by a seed, on everything that Postroom consists of.

`plan` is pure: the same seed gives the same blows. When they land, the operating system
decides, so a run repeats what is done and not the microsecond. `run` lands them, keeps
the house fed with campaigns, and then waits, with no hand moved, for the end.
"""

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.house import House, Part
from tests.chaos.proxy import Proxy
from tests.chaos.watch import Watch
from tests.support.postgres import Cluster
from webapp.campaigns import steering
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import WAITING, State, Status
from webapp.core.db import db, reading
from webapp.core.errors import DomainError
from webapp.suppressions.models import Reason, Suppression

WORKERS = ("worker 1", "worker 2", "worker 3")
BACKLOG = 150
CAMPAIGN = 300
END_SECONDS = 180.0
AIM_SECONDS = 4.0

# Shares of a hundred, and for how long at most.
KINDS: dict[str, tuple[int, float]] = {
    "kill a worker": (34, 0),
    "freeze a worker": (22, 2.0),
    "freeze a worker for too long": (6, 6.0),
    "kill the web server": (3, 0),
    "freeze the web server": (3, 3.0),
    "kill a reconciler": (2, 0),
    "freeze a reconciler": (2, 4.0),
    "kill Redis": (4, 0),
    "freeze Redis": (4, 4.0),
    "flush Redis": (5, 0),
    "cut the database": (4, 1.0),
    "lose commits": (3, 0),
    "refuse mail": (2, 2.0),
    "power cut": (2, 0),
    "pause a campaign": (2, 1.0),
    "cancel a campaign": (1, 0),
    "suppress somebody": (1, 0),
}


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens, after how long a pause, for how long, and to which of several."""

    pause: float
    kind: str
    seconds: float
    which: float


def plan(seed: int, count: int) -> list[Blow]:
    """Return the blows of a storm.

    Examples
    --------
    >>> plan(7, 5) == plan(7, 5), plan(7, 5) == plan(8, 5)
    (True, False)
    """
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    kinds = chance.choices(list(KINDS), [share for share, _ in KINDS.values()], k=count)
    return [
        Blow(
            pause=chance.uniform(0.3, 2.0),
            kind=kind,
            seconds=chance.uniform(0.4, 1) * KINDS[kind][1],
            which=chance.random(),
        )
        for kind in kinds
    ]


@dataclass
class Storm:
    """Blows on one house.

    Attributes
    ----------
    done
        How many blows of each kind landed.
    kills, freezes
        Of processes.
    hits, kill_hits
        Kills and freezes of a worker that held rows as *sending* in that moment.
    landed
        Blows that were kills or freezes.
    aim
        So long a blow on a worker waits for one that is just sending, in seconds.
    """

    house: House
    cluster: Cluster | None = None
    proxy: Proxy | None = None
    done: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    freezes: int = 0
    hits: int = 0
    kill_hits: int = 0
    landed: int = 0
    aim: float = AIM_SECONDS

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the keeper keeps alive."""
        own = ("redis",) if self.house.has_own_redis else ()
        return (*own, *WORKERS, "reconciler 1", "reconciler 2", "web")

    def run(self, blows: Sequence[Blow], seconds: float) -> Watch:
        """Land blows for so long at most; then wait for the end."""
        house, until = self.house, time.monotonic() + seconds
        watch = Watch(house)
        house.tend(self.names)
        house.campaign(CAMPAIGN)
        house.server.wait_for(len(house.server.mails) + 20)
        with watch:
            for blow in blows:
                if time.monotonic() > until:
                    break
                self._wait(blow.pause)
                self._feed()
                self._land(blow)
            for part in house.parts.values():
                part.thaw()
            house.wait_quiet(self.names, END_SECONDS)
            house.settle(self.names, END_SECONDS)
            self._wait_for_an_answer(watch)
        return watch

    def _wait(self, seconds: float) -> None:
        """Let time pass; the keeper starts again what died, and work never ends."""
        until = time.monotonic() + seconds
        while True:
            with suppress(SQLAlchemyError):
                self.house.tend(self.names)
            if time.monotonic() > until:
                break
            time.sleep(0.05)

    def _wait_for_an_answer(self, watch: Watch) -> None:
        """Let the web server say how it ended."""
        before, until = watch.answers, time.monotonic() + END_SECONDS
        while watch.answers == before and time.monotonic() < until:
            self._wait(0.1)

    def _feed(self) -> None:
        left = sa.select(sa.func.count()).where(Message.status.in_(WAITING))
        try:
            if (self.house.read(left) or 0) < BACKLOG:
                self.house.campaign(CAMPAIGN)
        except (SQLAlchemyError, DomainError):
            db.session.rollback()

    def _land(self, blow: Blow) -> None:
        act: dict[str, Callable[[Blow], None]] = {
            "kill a worker": self._kill_worker,
            "freeze a worker": self._freeze_worker,
            "freeze a worker for too long": self._freeze_worker,
            "kill the web server": lambda _: self._kill("web"),
            "freeze the web server": lambda one: self._freeze("web", one.seconds),
            "kill a reconciler": lambda _: self._kill("reconciler 1"),
            "freeze a reconciler": lambda one: self._freeze(
                "reconciler 2", one.seconds
            ),
            "kill Redis": self._kill_redis,
            "freeze Redis": self._freeze_redis,
            "flush Redis": lambda _: self.house.flush_redis(),
            "cut the database": self._cut_database,
            "lose commits": self._lose_commits,
            "refuse mail": lambda one: self.house.server.refuse(one.seconds),
            "power cut": self._power_cut,
            "pause a campaign": self._pause,
            "cancel a campaign": self._cancel,
            "suppress somebody": self._suppress,
        }
        try:
            act[blow.kind](blow)
        except (SQLAlchemyError, DomainError, psycopg.Error):
            db.session.rollback()
        self.done[blow.kind] += 1
        is_ours = blow.kind.startswith(("kill", "freeze", "power"))
        self.landed += is_ours

    # ------------------------------------------------------------------ processes

    def _one_worker(self, blow: Blow) -> Part:
        """Return a worker; mostly one that is just sending, where a blow may hurt."""
        first = int(blow.which * len(WORKERS))
        parts = [self.house.parts[name] for name in WORKERS[first:] + WORKERS[:first]]
        until = time.monotonic() + (self.aim if blow.which % 0.1 < 0.08 else 0)
        while time.monotonic() < until:
            for part in parts:
                if part.is_alive and not part.is_frozen and self.house.held(part.pid):
                    return part
            time.sleep(0.02)
        return parts[0]

    def _kill_worker(self, blow: Blow) -> None:
        part = self._one_worker(blow)
        if part.is_alive:
            held = self.house.kill_worker(part)
            self.kills += 1
            self.hits += held > 0
            self.kill_hits += held > 0

    def _freeze_worker(self, blow: Blow) -> None:
        part = self._one_worker(blow)
        if part.is_alive and not part.is_frozen:
            part.freeze()
            self.freezes += 1
            later(blow.seconds, part.thaw)
            self.hits += self.house.held(part.pid) > 0

    def _kill(self, name: str) -> None:
        self.house.parts[name].kill()
        self.kills += 1

    def _freeze(self, name: str, seconds: float) -> None:
        part = self.house.parts[name]
        part.freeze()
        self.freezes += 1
        later(seconds, part.thaw)

    def _kill_redis(self, blow: Blow) -> None:
        del blow
        self.house.signal_redis(signal.SIGKILL)
        self.kills += 1

    def _freeze_redis(self, blow: Blow) -> None:
        pid = self.house.redis_pid()
        if pid:
            os.kill(pid, signal.SIGSTOP)
            self.freezes += 1
            later(blow.seconds, lambda: thaw(pid))

    def _power_cut(self, blow: Blow) -> None:
        """Kill everything at once, the database too where it is a server."""
        del blow
        house = self.house
        living = [part for part in house.parts.values() if part.is_alive]
        for part in living:
            part.send(signal.SIGSTOP)
        for name in WORKERS:
            house.note_death(house.parts[name])
            held = house.held(house.parts[name].pid)
            self.hits += held > 0
            self.kill_hits += held > 0
        house.signal_redis(signal.SIGKILL)
        for part in living:
            part.kill()
        if self.cluster is not None:
            self.cluster.crash()
        self.kills += len(living) + 1

    # ------------------------------------------------------------------- database

    def _cut_database(self, blow: Blow) -> None:
        """Break all connections of PostgreSQL; hold SQLite's write lock for a while."""
        if self.cluster is None or self.proxy is None:
            threading.Thread(target=self._hold_sqlite, args=(blow.seconds,)).start()
            return
        if blow.which < 0.5:
            self.proxy.cut()
            return
        url = self.house.settings.database_url.partition("?")[0]
        url = url.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )

    def _hold_sqlite(self, seconds: float) -> None:
        path = self.house.settings.data_dir / "postroom.db"
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            with suppress(sqlite3.OperationalError):
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
            connection.rollback()

    def _lose_commits(self, blow: Blow) -> None:
        if self.proxy is None:
            self._cut_database(blow)
            return
        chance = random.Random(blow.which)  # noqa: S311 - a seed is the point
        self.proxy.lose_commits(*chance.choices([True, False, None], k=12))

    # ------------------------------------------------------------------- operator

    def _some_campaign(self, state: State) -> int | None:
        query = sa.select(Campaign.id).where(Campaign.state == state)
        found: int | None = self.house.read(query.order_by(Campaign.id).limit(1))
        return found

    def _pause(self, blow: Blow) -> None:
        campaign_id = self._some_campaign(State.SENDING)
        if campaign_id is not None:
            steering.pause(campaign_id)
            self._wait(blow.seconds)
        for paused in iter(lambda: self._some_campaign(State.PAUSED), None):
            steering.resume(paused)

    def _cancel(self, blow: Blow) -> None:
        del blow
        campaign_id = self._some_campaign(State.SENDING)
        if campaign_id is not None:
            steering.cancel(campaign_id)

    def _suppress(self, blow: Blow) -> None:
        del blow
        with reading():
            query = sa.select(Message.address_key).where(
                Message.status == Status.PENDING
            )
            keys = db.session.scalars(query.order_by(Message.id.desc()).limit(5)).all()
            db.session.rollback()
        db.session.add_all(
            Suppression(address_key=key, reason=Reason.UNSUBSCRIBED) for key in keys
        )
        db.session.commit()


def later(seconds: float, act: Callable[[], None]) -> None:
    """Do something after a while, whatever else goes on."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def thaw(pid: int) -> None:
    """Let a process go on, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
