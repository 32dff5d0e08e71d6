"""Run benchmarks, print one table and keep the figures: ``python -m bench [NAME …]``.

``--quick`` takes each figure once, and of less. ``--list`` names the benchmarks.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import table
from bench.harness import FULL, QUICK, Line
from bench.registry import BENCHES


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 where a promise is missed."""
    asked = _asked(words)
    if asked.list:
        sys.stdout.write("".join(f"{bench.name}\n" for bench in BENCHES))
        return 0
    size = QUICK if asked.quick else FULL
    size = replace(
        size, messages=asked.messages or size.messages, runs=asked.runs or size.runs
    )
    lines: list[Line] = []
    for bench in BENCHES:
        if asked.names and bench.name not in asked.names:
            continue
        sys.stderr.write(f"{bench.name} …\n")
        lines.extend(bench.run(size))
    sys.stdout.write(table.table(lines) + "\n")
    table.keep(lines, size, asked.results)
    return 1 if any(line.is_kept is False for line in lines) else 0


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = [bench.name for bench in BENCHES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--messages", type=int, help="how large a campaign is")
    parser.add_argument("--runs", type=int, help="how often each figure is taken")
    parser.add_argument("--results", type=Path, default=table.RESULTS)
    asked = parser.parse_args(words)
    unknown = sorted(set(asked.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
