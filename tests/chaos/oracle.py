"""The oracle: what the rows say against what the receiving server has really taken.

Pure: values in, sentences out; none when the promise was kept.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.campaigns.states import FINAL, Status

WITHOUT_COPY = frozenset({Status.FAILED, Status.SKIPPED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Row:
    """A message, as its row says."""

    address: str
    status: Status
    worker_id: uuid.UUID | None = None
    words: str = ""


@dataclass(frozen=True)
class Ledger:
    """What the receiving server knows.

    Attributes
    ----------
    copies
        How many it took for each recipient.
    silences
        How often it left a worker without a word after the final dot.
    """

    copies: Mapping[str, int]
    silences: Mapping[str, int] = field(default_factory=dict)


def violations(
    rows: Sequence[Row], ledger: Ledger, killed: Collection[uuid.UUID], window: int
) -> list[str]:
    """Return each broken part of the promise as a sentence.

    Parameters
    ----------
    killed
        The workers that were killed; only those may leave rows in doubt, besides a
        server that said nothing.
    window
        W: how many messages one worker may have marked.

    Examples
    --------
    >>> ada = Row("ada@example.org", Status.SENT)
    >>> violations([ada], Ledger({"ada@example.org": 1}), [], 16)
    []
    >>> violations([ada], Ledger({"ada@example.org": 2}), [], 16)
    ['ada@example.org has 2 copies']
    >>> violations([ada], Ledger({}), [], 16)
    ['ada@example.org is sent and has no copy']
    """
    broken = [
        f"{address} has {copies} copies"
        for address, copies in ledger.copies.items()
        if copies > 1
    ]
    known = Counter(row.address for row in rows)
    broken += [
        f"{one} was never to get anything" for one in ledger.copies.keys() - known
    ]
    broken += [f"{one} has {n} rows" for one, n in known.items() if n > 1]
    for row in rows:
        copies = ledger.copies.get(row.address, 0)
        if row.status not in FINAL:
            broken.append(f"{row.address} is still {row.status}")
        elif row.status is Status.SENT and not copies:
            broken.append(f"{row.address} is sent and has no copy")
        elif row.status in WITHOUT_COPY and copies:
            broken.append(f"{row.address} is {row.status} and has a copy")
    return broken + _doubts(rows, ledger, killed, window)


def _doubts(
    rows: Sequence[Row], ledger: Ledger, killed: Collection[uuid.UUID], window: int
) -> list[str]:
    """Hold the unknown rows against who may have caused them."""
    doubtful: Counter[uuid.UUID | None] = Counter()
    broken = []
    for row in rows:
        if row.status is Status.UNKNOWN and not ledger.silences.get(row.address):
            doubtful[row.worker_id] += 1
            if row.worker_id not in killed:
                why = f"{row.address} is unknown, and nobody was killed: {row.words}"
                broken.append(why)
    return broken + [
        f"a killed worker leaves {count} rows in doubt, more than {window}"
        for worker, count in doubtful.items()
        if worker in killed and count > window
    ]
