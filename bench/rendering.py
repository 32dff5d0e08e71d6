"""What rendering costs a row: in this process, through the limited child, by segments.

Run it: ``python -m bench.rendering [rows]``. Machines differ; compare the lines.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from webapp.message_templates.engine import Engine
from webapp.message_templates.rendering import Rendered, RenderPool, Source

BASE = "https://library.example"
PARAGRAPH = "<p>Three evenings are still free in the winter programme.</p>\n"
SOURCES = {
    "text": Source("text", "Hello {{ name }}", "Dear {{ name }},\n{{ code }}\n" * 5),
    "HTML of 4 KB": Source(
        "html",
        "Hello {{ name }}",
        html="<style>p { color: #222 }</style><h1>Dear {{ name }}</h1>\n"
        + PARAGRAPH * 60
        + "<p><a href='/card?m={{ code }}'>{{ code }}</a> {{ town }}</p>"
        "<a href='{{ unsubscribe_url }}'>Stop</a>",
    ),
    "Markdown": Source(
        "markdown",
        "Hello {{ name }}",
        html="Dear **{{ name }}**,\n\n{% if code %}[Use it](/c/{{ code }}){% endif %}",
    ),
}


def main() -> None:
    """Print microseconds a row: the median of five runs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rows: list[dict[str, object]] = [
        {
            "name": f"Zoë {n}",
            "code": f"7f{n}",
            "town": "Malmö",
            "unsubscribe_url": f"{BASE}/u/{n}",
        }
        for n in range(count)
    ]
    engine = Engine()
    with RenderPool() as pool:
        for name, source in SOURCES.items():
            here = _median(partial(_here, engine, source, rows))
            child = _median(partial(pool.render_many, source, rows, BASE))
            print(  # noqa: T201 - that is what a benchmark is for
                f"{name:13} sandbox here {here / count:6.1f} µs, "
                f"pool {child / count:6.1f} µs"
            )


def _here(engine: Engine, source: Source, rows: list[dict[str, object]]) -> None:
    for row in rows:
        assert isinstance(engine.render(source, row, BASE), Rendered)


def _median(run: Callable[[], object]) -> float:
    took = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        took.append((time.perf_counter() - started) * 1e6)
    return statistics.median(took)


if __name__ == "__main__":
    main()
