"""Judge the sorting on collections of mail: ``python -m bench.sorting DIRECTORY``.

Each folder with an ``answers.tsv`` is a collection. A line of that file is a file's
name, its kind, and where the collection says it how final the bounce is and whom it
names, parted by tabs (addresses by spaces)::

    qmail-1.txt     bounce      hard    ada@example.org
    list-7.eml      ordinary

Kinds are ``bounce``, ``notice`` (of a delay), ``complaint``, ``auto_reply``,
``ordinary``, and ``not_bounce`` of what may be anything else. Each file is one mail.
It is sorted as the sync sorts it: by its header block and the beginning of its text,
and by its source where that is asked for. Collections are not part of this repository.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webapp.mailboxes.arrivals import SOURCE_CAP, Arrival
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.mime import parse_mail
from webapp.triage.sorting import Sorted, needs_source, sort

ANSWERS = "answers.tsv"
HEADER_CAP, TEXT_CAP = 32 * 1024, 2048
#: What else is right: a mail of the first kind may be sorted as any of these.
RIGHT = {
    "bounce": {MailKind.BOUNCE},
    "notice": {MailKind.NOTICE},
    "complaint": {MailKind.COMPLAINT},
    "auto_reply": {MailKind.AUTO_REPLY},
    "ordinary": {MailKind.OTHER, MailKind.REPLY, MailKind.UNSUBSCRIBE},
    "not_bounce": set(MailKind) - {MailKind.BOUNCE},
}


@dataclass(frozen=True)
class Asked:
    """One mail of a collection, and what it is."""

    path: Path
    kind: str
    hardness: str = ""
    addresses: frozenset[str] = frozenset()


@dataclass
class Judged:
    """What was right in a collection, by kind; and what was not."""

    name: str
    total: Counter[str]
    right: Counter[str]
    misses: list[str]
    seconds: float = 0.0


def main(words: Sequence[str] | None = None) -> int:
    """Judge the collections below a directory; 1 where an ordinary mail bounces."""
    parser = argparse.ArgumentParser(prog="python -m bench.sorting")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--misses", action="store_true", help="name each miss")
    asked = parser.parse_args(words)
    found = sorted(path.parent for path in asked.directory.rglob(ANSWERS))
    judged = [judge(folder) for folder in found]
    for one in judged:
        sys.stdout.write(_lines(one, with_misses=asked.misses))
    total = _sum(judged)
    sys.stdout.write(_lines(total, with_misses=False))
    return 1 if total.total["ordinary called a bounce"] else 0


def judge(folder: Path) -> Judged:
    """Sort every mail of a collection and compare."""
    result = Judged(folder.name, Counter(), Counter(), [])
    for asked in _asked(folder):
        start = time.process_time()
        made = sorted_of(asked.path.read_bytes())
        result.seconds += time.process_time() - start
        _note(result, asked, made)
    return result


def sorted_of(source: bytes) -> Sorted:
    """Sort a mail by what the sync fetches of it."""
    head, _empty, text = source.partition(b"\r\n\r\n")
    headers = parse_mail(head[:HEADER_CAP] + b"\r\n\r\n").headers
    whole = source[:SOURCE_CAP] if needs_source(headers) else None
    arrival = Arrival(1, None, len(source), headers, text[:TEXT_CAP], whole)
    return sort(arrival, lambda _token, _purpose: None)


def _asked(folder: Path) -> Iterator[Asked]:
    for line in (folder / ANSWERS).read_text("utf-8").splitlines():
        name, kind, hardness, addresses, *_ = [*line.split("\t"), "", "", ""]
        keys = frozenset(addresses.lower().split())
        yield Asked(folder / name, kind, hardness, keys)


def _note(result: Judged, asked: Asked, made: Sorted) -> None:
    result.total[asked.kind] += 1
    hardness = made.hardness.value if made.hardness else ""
    if made.kind in RIGHT[asked.kind]:
        result.right[asked.kind] += 1
    else:
        result.misses.append(f"{asked.path.name}: {asked.kind}, not {made.kind}")
    if asked.kind != "bounce" and made.kind is MailKind.BOUNCE:
        result.total[f"{asked.kind} called a bounce"] += 1
    if made.kind is not MailKind.BOUNCE or asked.kind != "bounce":
        return
    if asked.hardness:
        result.total["how final"] += 1
        result.right["how final"] += hardness == asked.hardness
        if hardness != asked.hardness:
            words = f"{asked.hardness}, not {hardness} ({made.status} {made.words})"
            result.misses.append(f"{asked.path.name}: {words[:160]}")
    if asked.addresses:
        named = {one.lower() for one in made.recipients}
        result.total["whom"] += 1
        result.right["whom"] += bool(named & asked.addresses)
        if not named & asked.addresses:
            result.misses.append(f"{asked.path.name}: names {sorted(named)}")


def _sum(judged: Sequence[Judged]) -> Judged:
    result = Judged("all", Counter(), Counter(), [])
    for one in judged:
        result.total.update(one.total)
        result.right.update(one.right)
        result.seconds += one.seconds
    return result


def _lines(one: Judged, *, with_misses: bool) -> str:
    lines = [f"{one.name} ({one.seconds:.1f} s)"]
    for what, total in sorted(one.total.items()):
        if what.endswith("called a bounce"):
            lines.append(f"    {what}: {total}")
        else:
            share = 100 * one.right[what] / total
            lines.append(f"    {what}: {one.right[what]} of {total}, {share:.1f} %")
    if with_misses:
        lines += [f"        {miss}" for miss in one.misses]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
