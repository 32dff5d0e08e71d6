"""What a benchmark is, and how its figures are kept comparable on a noisy machine.

A benchmark is a module with a function that yields `Line`s; `bench.registry` lists it.

    def run(size: Size) -> Iterator[Line]:
        with some_server() as port:
            ours, theirs = interleaved(size.runs, lambda: …, lambda: …)
        yield Line(what="…", unit="messages/s", ours=ours, yardstick=theirs, …)

Each of our runs stands beside a run of the yardstick a moment later, and the ratio is
the median of those pairs: what slows the machine down slows both.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run of the benchmarks is.

    Attributes
    ----------
    messages
        Of the campaigns that are timed.
    runs
        How often each figure is taken.
    """

    messages: int
    runs: int


FULL = Size(messages=20_000, runs=3)
QUICK = Size(messages=3_000, runs=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes
    ----------
    what
        In words.
    unit
        Of all figures: a rate, where more is better, or a time, where less is.
    ours, yardstick
        Figures of the runs, in their order; the yardstick may have none.
    against
        What the yardstick is, in words.
    at_least
        The ratio of ours to the yardstick that is promised.
    at_most
        The figure of ours that is promised, for times.
    """

    what: str
    unit: str
    ours: Sequence[float]
    yardstick: Sequence[float] = ()
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to the yardstick: the median of the pairs.

        Examples
        --------
        >>> Line(what="x", unit="1/s", ours=[9, 20], yardstick=[10, 10]).ratio
        1.45
        """
        if not self.yardstick:
            return None
        pairs = zip(self.ours, self.yardstick, strict=True)
        return statistics.median(mine / other for mine, other in pairs)

    @property
    def is_kept(self) -> bool | None:
        """Whether what is promised is so; ``None`` where nothing is."""
        if self.at_least is not None and self.ratio is not None:
            return self.ratio >= self.at_least
        if self.at_most is not None:
            return statistics.median(self.ours) <= self.at_most
        return None


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark: a name for the command line, and the function that measures."""

    name: str
    run: Callable[[Size], Iterator[Line]]


def interleaved(
    runs: int, *works: Callable[[], float]
) -> tuple[tuple[float, ...], ...]:
    """Take the figures of several works in turn: one of each, then again.

    Examples
    --------
    >>> interleaved(2, lambda: 1.0, lambda: 2.0)
    ((1.0, 1.0), (2.0, 2.0))
    """
    taken = [[work() for work in works] for _ in range(runs)]
    return tuple(zip(*taken, strict=True))
