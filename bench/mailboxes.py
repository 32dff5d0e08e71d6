"""Reading a folder of 100 000 mails beside plain imaplib.

Of a million with ``--messages 1000000``.

The server is Dovecot with mdbox. A list is what a page needs, decoded. What goes out in
one write and is waited for is a round trip, and their number is a promise.
"""

import statistics
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
from imapclient import IMAPClient  # type: ignore[import-untyped]  # ships no types

from bench import many_mails
from bench.desk import desk
from bench.harness import FULL, Bench, Line, Size, interleaved
from bench.many_mails import FOLDER, LOGIN, Ours, cpu_of, plain, timed
from tests.support.dovecot import PASSWORD, Dovecot, running
from tests.support.slow_wire import slow_wire
from webapp.core.db import db
from webapp.mailboxes import (
    browsing,
    changing,
    folders,
    index_search,
    indexing,
    mails,
    opening,
    query_text,
    refreshing,
    service,
)
from webapp.mailboxes.models import Folder
from webapp.mailboxes.pool import pool

MANY, FEW = 100_000, 5_000
ROUND_TRIP = 0.02
RAW = FOLDER.encode()
IMAPLIB = "imaplib and email"
WORDS = "from:priya subject:opening"
KEYS = ("FROM", "priya", "SUBJECT", "opening")
CHANGES = 10
MINUTE = 60_000.0
#: What the index may add to a process, however many mails a folder has.
GROWTH_MB = 60.0


def run(size: Size) -> Iterator[Line]:
    """Fill a folder, then read, change, refresh and index it."""
    count = FEW if size.messages < FULL.messages else MANY
    count = size.messages if size.messages > FULL.messages else count
    with running(storage="mdbox") as server:
        many_mails.fill(server, count)
        with many_mails.ours(server.port) as us:
            yield from _lists(us, server, size, count)
            yield from _changes(us, server, size)
        yield from _far(server, size)
        yield from _index(server, size, count)


def _lists(us: Ours, server: Dovecot, size: Size, count: int) -> Iterator[Line]:
    line = us.connection
    with plain(server.port) as client:
        for rows in (50, 500):
            line.recent.clear()
            for time, most in (("first", 2), ("next", 1)):
                spent = us.spends(
                    lambda rows=rows: browsing.page(line, RAW, limit=rows)  # type: ignore[misc]  # bound for the loop
                )
                what = f"list {rows} of {count}, the {time} time"
                yield _round_trips(what, spent.round_trips, most)
            mine, theirs = interleaved(
                max(3, size.runs),
                lambda rows=rows: timed(lambda: browsing.page(line, RAW, limit=rows))[
                    0
                ],  # type: ignore[misc]  # the same
                lambda rows=rows: timed(lambda: many_mails.plain_list(client, rows))[0],  # type: ignore[misc]  # the same
            )
            what = f"list {rows} of {count}, decoded, with sizes"
            yield _beside(what, mine, theirs)
        spent = us.spends(lambda: browsing.page(line, RAW, limit=500, with_text=False))
        headers = many_mails.octets_of_headers(client, 500)
        yield Line(
            what="list 500 with sizes: octets to those of the headers",
            unit="times",
            ours=[spent.octets / headers],
            at_most=2.0,
        )
        yield from _elsewhere(us, count)
        query = query_text.parse(WORDS)
        spent = us.spends(lambda: browsing.page(line, RAW, query))
        yield _round_trips("search by sender and subject", spent.round_trips, 3)
        mine, theirs = interleaved(
            max(3, size.runs),
            lambda: timed(lambda: browsing.page(line, RAW, query))[0],
            lambda: timed(lambda: many_mails.plain_search(client, *KEYS))[0],
        )
        yield _beside("search by sender and subject, newest 50", mine, theirs)
    yield from _processor(us, server, size)


def _elsewhere(us: Ours, count: int) -> Iterator[Line]:
    """Count the round trips to other places of the folder, and into a mail."""
    line, middle = us.connection, count // 2
    spent = us.spends(lambda: browsing.page(line, RAW, below=middle))
    yield _round_trips("an older page, from the middle", spent.round_trips, 1)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = us.spends(lambda: browsing.last_before(line, RAW, today))
    yield _round_trips("the place of a day", spent.round_trips, 4)
    spent = us.spends(lambda: opening.open_mail(line, RAW, middle))
    yield _round_trips("open a mail", spent.round_trips, 1)


def _processor(us: Ours, server: Dovecot, size: Size) -> Iterator[Line]:
    """Compare the client's processor time with IMAPClient's ENVELOPE of these rows."""
    client = IMAPClient("127.0.0.1", server.port, ssl=False)
    client.login(LOGIN, PASSWORD)
    items = ["ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE"]

    def theirs() -> None:
        exists = client.select_folder(FOLDER, readonly=True)[b"EXISTS"]
        client.fetch(list(range(exists - 49, exists + 1)), items)

    client.use_uid = False
    taken = interleaved(
        max(3, size.runs),
        lambda: cpu_of(lambda: browsing.page(us.connection, RAW, with_text=False)),
        lambda: cpu_of(lambda: browsing.page(us.connection, RAW)),
        lambda: cpu_of(theirs),
    )
    client.logout()
    bare, whole, envelopes = taken
    for what, mine in (("list 50", bare), ("list 50 with starts of texts", whole)):
        processor = f"{what}: processor time of the client"
        yield _beside(processor, mine, envelopes, "IMAPClient, ENVELOPE")
    ratio = statistics.median(a / b for a, b in zip(bare, envelopes, strict=True))
    what = "list 50: processor time, ours to IMAPClient's"
    yield Line(what=what, unit="times", ours=[ratio], at_most=1)


def _changes(us: Ours, server: Dovecot, size: Size) -> Iterator[Line]:
    line = us.connection
    newest = browsing.page(line, RAW, limit=500).rows
    uids = [row.uid for row in newest]
    text = f"{uids[-1]}:{uids[0]}"
    spent = us.spends(lambda: changing.change_flags(line, RAW, uids, add=["seen"]))
    yield _round_trips(
        "mark 500 seen: SELECT and FETCH, then STORE", spent.round_trips, 2
    )

    def mark() -> float:
        changing.change_flags(line, RAW, uids, remove=["seen"])
        return timed(lambda: changing.change_flags(line, RAW, uids, add=["seen"]))[0]

    with plain(server.port) as client:

        def theirs() -> float:
            client.select(FOLDER)
            client.uid("STORE", text, "-FLAGS.SILENT", "(\\Seen)")
            return timed(
                lambda: [
                    client.select(FOLDER),
                    client.uid("FETCH", text, "(FLAGS)"),
                    client.uid("STORE", text, "+FLAGS.SILENT", "(\\Seen)"),
                ]
            )[0]

        mine, other = interleaved(max(3, size.runs), mark, theirs)
        yield _beside("mark 500 seen", mine, other)
        yield from _refresh(us, client, size)


def _refresh(us: Ours, client: object, size: Size) -> Iterator[Line]:
    line = us.connection
    line.enable_qresync()
    selected = line.select(RAW)
    rows = browsing.page(line, RAW).rows
    known = refreshing.Known(
        selected.uidvalidity,
        selected.highestmodseq or 0,
        selected.uidnext or 0,
        [row.uid for row in rows],
    )
    for at, row in enumerate(rows[:CHANGES]):
        flag = "flagged" if at % 2 else "answered"
        changing.change_flags(line, RAW, [row.uid], add=[flag])
    found: list[refreshing.Changes] = []
    spent = us.spends(lambda: found.append(refreshing.changes(line, RAW, known)))
    assert len(found[0].flags) == CHANGES, found
    yield _round_trips("refresh after 10 changes (QRESYNC)", spent.round_trips, 1)
    mine, theirs = interleaved(
        size.runs,
        lambda: timed(lambda: refreshing.changes(line, RAW, known))[0],
        lambda: timed(lambda: many_mails.plain_flags(client))[0],  # type: ignore[arg-type]  # imaplib's client
    )
    yield _beside("refresh after 10 changes", mine, theirs, "imaplib, all flags")


def _far(server: Dovecot, size: Size) -> Iterator[Line]:
    """Take lists over a wire with 20 ms more."""
    with (
        slow_wire(server.port, ROUND_TRIP) as port,
        many_mails.ours(port) as us,
        plain(port) as client,
    ):
        raw = many_mails.raw_batch(port)
        browsing.page(us.connection, RAW)
        mine, batch, theirs = interleaved(
            max(9, size.runs),
            lambda: timed(lambda: browsing.page(us.connection, RAW))[0],
            raw,
            lambda: timed(lambda: many_mails.plain_list(client, 50))[0],
        )
    yield _beside("list 50, 20 ms round trip", mine, theirs)
    yield Line(
        what="list 50, 20 ms round trip, to one raw batch of the same commands",
        unit="times",
        ours=[statistics.median(a / b for a, b in zip(mine, batch, strict=True))],
        at_most=1.5,
    )


def _index(server: Dovecot, size: Size, count: int) -> Iterator[Line]:
    """Fill the index of the folder as a worker does, then search it."""
    with desk(1, 0):
        box = service.create(
            name="Many",
            host="127.0.0.1",
            port=server.port,
            security="none",
            login=LOGIN,
            password=PASSWORD,
        )
        folder_id = folders.fresh(box, force=True)[0].id
        db.session.commit()
        before = _resident()
        most = [before]

        def fill() -> None:
            while indexing.index_next():
                most.append(_resident())

        ms, cpu_ms = timed(fill)
        folder = folders.get(folder_id)
        assert index_search.is_whole(folder)
        yield Line(
            what=f"index of {count}: mails a minute, in 10 000",
            unit="10 000 / min",
            ours=[count / ms * MINUTE / 10_000],
            yardstick=[1.0],
            against="promised",
            at_least=1.0,
        )
        yield Line(
            what="index: processor time a mail", unit="ms", ours=[cpu_ms / count]
        )
        yield Line(
            what=f"index of {count}: the process grew by",
            unit="MB",
            ours=[max(most) - before],
            at_most=GROWTH_MB,
        )
        yield from _indexed_search(server, size, folder)
        pool.close()


def _indexed_search(server: Dovecot, size: Size, folder: Folder) -> Iterator[Line]:
    folder_id = folder.id

    def search() -> None:
        assert mails.listed(folders.get(folder_id), WORDS).rows

    with plain(server.port) as client:
        mine, theirs = interleaved(
            max(3, size.runs),
            lambda: timed(search)[0],
            lambda: timed(lambda: many_mails.plain_search(client, *KEYS))[0],
        )
    yield _beside("search by sender and subject, local index", mine, theirs)


def _resident() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def _round_trips(what: str, ours: int, most: int) -> Line:
    return Line(what=f"{what}", unit="round trips", ours=[ours], at_most=most)


def _beside(
    what: str,
    ours: tuple[float, ...],
    theirs: tuple[float, ...],
    against: str = IMAPLIB,
) -> Line:
    return Line(what=what, unit="ms", ours=ours, yardstick=theirs, against=against)


BENCH = Bench("mailboxes", run)
