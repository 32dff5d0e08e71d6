"""The long chaos run: ``make chaos``, or ``python -m tests.chaos --seed 7``.

Three houses one after the other: PostgreSQL behind a proxy with a Redis beside, SQLite
with the embedded Redis, SQLite with a Redis beside. In each a tour of the named
points, then a storm of blows by the seed. Prints a table; ends with 1 when the oracle
has anything to say, or when nothing was shown.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.chaos import storm as storms
from tests.chaos import tour
from tests.chaos.house import House, W, new_house
from tests.chaos.moody import MoodyServer
from tests.chaos.proxy import Proxy
from tests.chaos.storm import Storm
from tests.support.postgres import running_postgres
from webapp.campaigns.models import Message
from webapp.core import schema
from webapp.core.db import db

BLOWS = 95
MINUTES = 15.0
HOUSES = ("PostgreSQL, Redis beside", "SQLite, embedded Redis", "SQLite, Redis beside")
# What the tours and the ends of storms take, of the time of one house.
CALM_SECONDS = 130.0


@dataclass
class Line:
    """A line of the table."""

    name: str
    kills: int
    freezes: int
    others: int
    hits: int
    messages: int
    duplicates: int
    lost: int
    unknown: int
    bound: int
    seconds: float
    broken: list[str]


@contextmanager
def house_of(name: str, directory: Path, seed: int) -> Iterator[Storm]:
    """Build a house, and what a storm on it needs."""
    with MoodyServer(seed, pause=0.1) as server:
        if name.startswith("PostgreSQL"):
            with running_postgres() as cluster, Proxy(cluster.port) as proxy:
                url = cluster.new_database()
                through = url.replace(f":{cluster.port}/", f":{proxy.port}/")
                schema.upgrade(url)
                house = new_house(
                    directory, server, url, through=through, has_own_redis=True
                )
                yield from _inside(house, Storm(house, cluster, proxy))
            return
        (directory / "data").mkdir(mode=0o700)
        url = f"sqlite:///{directory / 'data' / 'postroom.db'}"
        schema.upgrade(url)
        house = new_house(directory, server, url, has_own_redis="beside" in name)
        yield from _inside(house, Storm(house))


def _inside(house: House, storm: Storm) -> Iterator[Storm]:
    with house, house.app.app_context():
        yield storm
        db.session.remove()
        db.engine.dispose()


def run(name: str, seed: int, blows: int, seconds: float) -> Line:
    """Go through one house."""
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as directory,
        house_of(name, Path(directory), seed) as storm,
    ):
        house = storm.house
        house.server.seed = None
        if house.has_own_redis:
            house.redis()
        killed = tour.take(house)
        house.server.seed = seed
        house.server.pause = 0.1
        broken = []
        try:
            watch = storm.run(storms.plan(seed, blows), seconds - CALM_SECONDS)
            broken += watch.wrong
            if not watch.answers:
                broken.append("the web server never answered")
        except AssertionError as error:
            broken.append(str(error))
        broken += house.violations()
        if not storm.kill_hits:
            broken.append("no kill hit a row that was sending")
        copies = house.server.copies()
        counts = house.statuses()
        house.read(sa.select(sa.func.count(Message.id)))
        silences = sum(house.server.silences.values())
        return Line(
            name=name,
            kills=storm.kills + killed,
            freezes=storm.freezes,
            others=sum(storm.done.values()) - storm.landed,
            hits=storm.hits,
            messages=sum(counts.values()),
            duplicates=sum(n - 1 for n in copies.values()),
            lost=sum(one.endswith("has no copy") for one in broken),
            unknown=counts["unknown"],
            bound=W * len(house.killed) + silences,
            seconds=time.monotonic() - begun,
            broken=broken,
        )


def main() -> int:
    """Run, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6)
    )
    parser.add_argument("--blows", type=int, default=BLOWS, help="on each house")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="altogether")
    parser.add_argument("--house", choices=HOUSES, help="only this one")
    given = parser.parse_args()
    names = [given.house] if given.house else list(HOUSES)
    out(f"seed {given.seed} (repeat with: make chaos SEED={given.seed})")
    lines = []
    for number, name in enumerate(names):
        share = given.minutes * 60 / len(names)
        lines.append(run(name, given.seed + number, given.blows, share))
        out(f"{name}: {lines[-1].seconds:.0f} s")
    table(lines)
    broken = [f"{line.name}: {one}" for line in lines for one in line.broken]
    for one in broken[:50]:
        out(one)
    return 1 if broken else 0


def table(lines: list[Line]) -> None:
    """Print what happened."""
    heads = (
        *("kills", "freezes", "others", "hits", "messages"),
        *("duplicates", "lost", "unknown", "bound"),
    )
    out("| house | " + " | ".join(heads) + " | seconds |")
    out("| --- |" + " ---: |" * (len(heads) + 1))
    for line in lines:
        cells = [str(getattr(line, head)) for head in heads]
        out(f"| {line.name} | " + " | ".join(cells) + f" | {line.seconds:.0f} |")
    sums = [str(sum(getattr(line, head) for line in lines)) for head in heads]
    seconds = sum(line.seconds for line in lines)
    out("| together | " + " | ".join(sums) + f" | {seconds:.0f} |")


def out(words: str) -> None:
    """Print at once."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
