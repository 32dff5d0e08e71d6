"""The figures as a table to read, and as JSON to keep."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.harness import Line, Size

RESULTS = Path(__file__).resolve().parent / "results.json"
_HEAD = (
    "| what | unit | ours: median (min to max) | yardstick: median (min to max) "
    "| ratio | promised |\n| --- | --- | --- | --- | --- | --- |"
)


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table in Markdown.

    Examples
    --------
    >>> line = Line(what="x", unit="1/s", ours=[9, 9], yardstick=[3, 3], against="y")
    >>> print(table([line]).splitlines()[-1])
    | x | 1/s | 9 (9 to 9) | y: 3 (3 to 3) | 3.00 |  |
    """
    return "\n".join([_HEAD, *map(_row, lines)])


def _row(line: Line) -> str:
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    against = ""
    if line.yardstick:
        against = f"{line.against}: {_figures(line.yardstick)}"
    cells = (line.what, line.unit, _figures(line.ours), against, ratio, _promise(line))
    return "| " + " | ".join(cells) + " |"


def _promise(line: Line) -> str:
    mark = {True: ", kept", False: ", **missed**", None: ""}[line.is_kept]
    if line.at_least is not None:
        return f"at least {line.at_least:g}{mark}"
    if line.at_most is not None:
        return f"at most {line.at_most:g} {line.unit}{mark}"
    return ""


def _figures(taken: Sequence[float]) -> str:
    middle, low, high = statistics.median(taken), min(taken), max(taken)
    return f"{_figure(middle)} ({_figure(low)} to {_figure(high)})"


def _figure(value: float) -> str:
    """Return a figure with three digits that mean something.

    Examples
    --------
    >>> _figure(1234.5), _figure(12.345), _figure(0.01234)
    ('1 234', '12.3', '0.0123')
    """
    if value >= 100:  # noqa: PLR2004 - three digits stand before the point
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def keep(lines: Sequence[Line], size: Size, path: Path = RESULTS) -> dict[str, Any]:
    """Write the figures as JSON, with what they were taken on; return what is kept."""
    kept = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processors": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "size": asdict(size),
        "lines": [
            {**asdict(line), "ratio": line.ratio, "is_kept": line.is_kept}
            for line in lines
        ],
    }
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return kept
