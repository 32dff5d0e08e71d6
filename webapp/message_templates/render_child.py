"""The process that renders what people wrote, with little time and memory.

It gets no environment, no open file but its pipes, and may write no file. It ends when
its input ends. A request is ``["render", source, base, rows, careful]``; each row is
answered by one frame. ``["check", source, base, columns, True]`` is answered by one,
``["segments", source, None, None, True]`` too (``null`` where there is logic), and so
are ``["text", [html], …]`` and ``["text to edit", source, …]``, with a text.
Unless *careful*, answers go out in batches: faster, but when the process is killed it
is open which row it was, and the parent asks again carefully.
"""

import resource
import signal
import sys
from collections.abc import Iterator
from datetime import date
from time import monotonic
from typing import Any, BinaryIO

from webapp.message_templates.bodies import text_of, text_to_edit
from webapp.message_templates.engine import Engine
from webapp.message_templates.lint import check_source
from webapp.message_templates.segments_wire import packed_segments
from webapp.message_templates.source import Source
from webapp.message_templates.wire import (
    MAX_FRAME,
    frame,
    packed,
    packed_finding,
    unmarked,
)

_BATCH_BYTES = 48 * 1024
_BATCH_SECONDS = 0.02
_LENGTH_BYTES = 4
_WARM_UP = (
    Source(
        "markdown",
        "{{ a }}",
        html="# [{{ a }}](/{{ a }})\n{% if 'x' == \"y\" %}{% endif %}",
    ),
    Source("html", "{{ a }}", html="<style>p{color:red}</style><p>{{ a|date }}</p>"),
    Source("mjml", "x", html="<mjml><mj-body></mj-body></mjml>"),
    Source("mjml", "x", html="<mjml>"),
    Source("text", "{{ a }}", "{{ a|urlencode }}{{ 1|round(1) }}{{ none_such }}"),
    Source("text", "{% broken", ""),
)


def confine(memory_bytes: int) -> None:
    """Give up what rendering does not need."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def allow_seconds(seconds: int) -> None:
    """Let the kernel end this process after so much more processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def requests(source: BinaryIO) -> Iterator[Any]:
    """Yield each request until the parent is gone."""
    while len(head := source.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        length = int.from_bytes(head, "big")
        if length > MAX_FRAME:
            return
        data = source.read(length)
        if len(data) < length:
            return
        yield unmarked(data)


def answer(engine: Engine, asked: Any, seconds: int, sink: BinaryIO) -> None:
    """Answer one request; its first item says what it is."""
    kind, parts, base, rest, careful = asked
    if kind != "render":
        allow_seconds(seconds)
        sink.write(frame(answer_at_once(engine, asked)))
        return
    source = Source(*parts)
    waiting = bytearray()
    sent = monotonic()
    for values in rest:
        allow_seconds(seconds)
        waiting += frame(packed(engine.render(source, values, base)))
        now = monotonic()
        if careful or len(waiting) > _BATCH_BYTES or now - sent > _BATCH_SECONDS:
            sink.write(waiting)
            waiting.clear()
            sent = now
    sink.write(waiting)


def answer_at_once(engine: Engine, asked: Any) -> object:
    """Return what answers a request of any other kind, as plain values."""
    kind, parts, base, rest, _careful = asked
    if kind == "text":
        return text_of(parts[0])
    source = Source(*parts)
    if kind == "text to edit":
        return text_to_edit(source)
    if kind == "segments":
        read = engine.segments(source)
        return packed_segments(read) if read else None
    return [packed_finding(finding) for finding in check_source(source, rest, base)]


def main() -> None:
    """Answer requests on the standard streams; arguments: memory and seconds."""
    memory, seconds = (int(argument) for argument in sys.argv[-2:])
    engine = Engine()
    for source in _WARM_UP:  # what is imported late must be there before the limits
        engine.render(source, {"a": date(2027, 3, 14)}, "https://a.example")
        check_source(source, ["aa"], "https://a.example")
    confine(memory)
    with open(1, "wb", buffering=0, closefd=False) as sink:
        sink.write(frame("ready"))
        for asked in requests(sys.stdin.buffer):
            answer(engine, asked, seconds, sink)
