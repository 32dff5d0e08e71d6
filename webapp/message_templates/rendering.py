"""Render message templates in a child process that can be killed.

A message template can ask for more work than any check foresees, and no signal stops
a C function in the middle. So rendering happens in processes of its own, limited by
the kernel in processor time and memory and by this module in wall time. The one row
that made its child die fails, in words; the others go on in a new child.

A message template without logic is asked of the child once, as segments with places
for values; then its rows are filled in here (`webapp.message_templates.segments`).

The children are started from nothing (not forked), so a pool may be used from any
thread; a pool carried into a forked process forgets the children of its parent.
"""

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from webapp.core.errors import Unavailable
from webapp.message_templates.findings import Finding, Severity
from webapp.message_templates.limits import Limits
from webapp.message_templates.reading import undeclared
from webapp.message_templates.segments import Segments
from webapp.message_templates.segments_wire import unpacked_segments
from webapp.message_templates.source import Link, Rendered, RenderFailure, Source
from webapp.message_templates.wire import (
    frame,
    frames,
    unmarked,
    unpacked,
    unpacked_findings,
)

__all__ = [
    "Limits",
    "Link",
    "RenderFailure",
    "RenderPool",
    "Rendered",
    "Source",
    "shared_pool",
    "undeclared",
]

Row = Mapping[str, object]
Result = Rendered | RenderFailure

# Importing `webapp` the usual way would bring the whole application into the child;
# an empty package of that name keeps its start short and its memory small.
_START = (
    "import sys, types; package = types.ModuleType('webapp');"
    "package.__path__ = [sys.argv[1]]; sys.modules['webapp'] = package;"
    "from webapp.message_templates.render_child import main; main()"
)
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_CHUNK = 500
_FEW = 20
_READ = 256 * 1024
_MAX_KEPT = 32
_GIVEN_UP = "Not tried: too many rows before it had to be stopped"


class _ChildLost(Exception):
    """The child ended, or was ended, before it answered all rows; says why.

    Parameters
    ----------
    is_certain
        Whether the row itself is to blame; a child may also be killed by others.
    """

    def __init__(self, words: str, *, is_certain: bool = False) -> None:
        super().__init__(words)
        self.is_certain = is_certain


class _Child:
    """One rendering process and the two pipes to it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, fixed arguments
            [
                *(sys.executable, "-I", "-c", _START, _PACKAGE),
                *(str(limits.memory_bytes), str(limits.cpu_seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin.fileno()
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self.pid = self._process.pid
        self._is_ready = False

    def answers(self, request: bytes, count: int) -> Iterator[Any]:
        """Send a request and yield its answers as they come.

        Raises
        ------
        _ChildLost
            When the child is gone, silent or talks nonsense.
        """
        if not self._is_ready:
            self._read(bytearray(), self._limits.start_seconds)
            self._is_ready = True
        self._send(request)
        buffer = bytearray()
        while count:
            made = self._read(buffer, self._limits.wall_seconds)
            yield from made
            count -= len(made)

    def _read(self, buffer: bytearray, seconds: float) -> list[Any]:
        """Wait for more bytes and return the values of the frames in them."""
        self._wait(self._out, select.POLLIN, seconds)
        data = os.read(self._out, _READ)
        if not data:
            raise self._end_seen()
        buffer += data
        try:
            return [unmarked(one) for one in frames(buffer)]
        except ValueError as error:
            raise _ChildLost("It could not be rendered") from error

    def _send(self, request: bytes) -> None:
        left = memoryview(request)
        while left:
            self._wait(self._in, select.POLLOUT, self._limits.wall_seconds)
            try:
                left = left[os.write(self._in, left) :]
            except OSError as error:
                raise self._end_seen() from error

    def _wait(self, descriptor: int, event: int, seconds: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(seconds * 1000):
            raise _ChildLost("It takes too long to render", is_certain=True)

    def _end_seen(self) -> _ChildLost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._limits.wall_seconds)
        if self._process.returncode == -signal.SIGXCPU:
            return _ChildLost("It takes too long to render", is_certain=True)
        return _ChildLost("It needs more memory than a message may use")

    def end(self) -> None:
        """Kill the process and close the pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class RenderPool:
    """A few rendering processes, started when needed and kept.

    Parameters
    ----------
    size
        How many renderings may run at the same time.
    limits
        What one of them may use.
    """

    def __init__(self, size: int = 1, limits: Limits | None = None) -> None:
        self._size = size
        self._limits = limits or Limits()
        self._forget()
        this = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget_in_child(this))

    def _forget(self) -> None:
        self._free = threading.BoundedSemaphore(self._size)
        self._idle: list[_Child] = []
        self._read: dict[Source, Segments | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the idle processes; the pool can be used again."""
        while self._idle:
            self._idle.pop().end()

    def render_many(
        self, source: Source, rows: Sequence[Row], base_url: str | None
    ) -> list[Result]:
        """Render one message for each row, in their order.

        Parameters
        ----------
        source
            The message template.
        rows
            For each recipient plain values by name (text, numbers, yes/no, dates,
            ``None``), the system names among them.
        base_url
            What relative links and ``url()`` belong to.

        Returns
        -------
        list
            For each row what was rendered, or why not. A row never takes another's
            place, and one that is stopped does not stop the others.

        Raises
        ------
        Unavailable
            When all processes stay busy.
        """
        segments = self._segments(source) if len(rows) > _FEW else None
        if segments is None:
            return self._render_in_child(source, rows, base_url)
        made = [segments.fill(row, base_url) for row in rows]
        left = [row for row, one in zip(rows, made, strict=True) if one is None]
        rest = iter(self._render_in_child(source, left, base_url))
        return [next(rest) if one is None else one for one in made]

    def _segments(self, source: Source) -> Segments | None:
        """Return a message template as segments, asked of the child once."""
        if source not in self._read:
            if len(self._read) >= _MAX_KEPT:
                self._read.clear()
            request = frame(["segments", astuple(source), None, None, True])
            try:
                with self._borrowed() as child:
                    (answer,) = child.answers(request, 1)
                    self._read[source] = unpacked_segments(answer) if answer else None
            except (_ChildLost, ValueError):
                self._read[source] = None
        return self._read[source]

    def _render_in_child(
        self, source: Source, rows: Sequence[Row], base_url: str | None
    ) -> list[Result]:
        results: list[Result] = []
        kills, suspect = 0, -1
        careful = len(rows) <= _FEW
        while len(results) < len(rows) and kills < self._limits.kills:
            chunk = rows[len(results) : len(results) + _CHUNK]
            lost = self._render_chunk((source, chunk, base_url), results, careful)
            if lost and careful and (lost.is_certain or suspect == len(results)):
                results.append(RenderFailure(str(lost)))
                kills += 1
            elif lost and careful:
                suspect = len(results)
            careful = careful or lost is not None
        left = len(rows) - len(results)
        return results + [RenderFailure(_GIVEN_UP)] * left

    def _render_chunk(
        self,
        asked: tuple[Source, Sequence[Row], str | None],
        into: list[Result],
        careful: bool,
    ) -> _ChildLost | None:
        """Append results of some rows to a list; the reason when a child was lost."""
        source, rows, base = asked
        plain = [dict(row) for row in rows]
        request = frame(["render", astuple(source), base, plain, careful])
        try:
            with self._borrowed() as child:
                for answer in child.answers(request, len(rows)):
                    into.append(unpacked(answer))
        except _ChildLost as error:
            return error
        except ValueError:
            return _ChildLost("It could not be rendered")
        return None

    def check(
        self, source: Source, columns: Collection[str] | None, base_url: str | None
    ) -> list[Finding]:
        """Return what `webapp.message_templates.lint.check_source` finds."""
        named = None if columns is None else list(columns)
        request = frame(["check", astuple(source), base_url, named, True])
        try:
            with self._borrowed() as child:
                (answer,) = child.answers(request, 1)
                return unpacked_findings(answer)
        except (_ChildLost, ValueError) as error:
            words = f"The message template could not be checked: {error}"
            return [Finding("S03", Severity.ERROR, words)]

    def text_of(self, html: str) -> str | None:
        """Return the plain text of HTML; None when that takes too much."""
        return self._text(["text", [html], None, None, True])

    def text_to_edit(self, source: Source) -> str | None:
        """Return a text part made from the body, code and all, or None."""
        return self._text(["text to edit", astuple(source), None, None, True])

    def _text(self, request: list[object]) -> str | None:
        try:
            with self._borrowed() as child:
                (answer,) = child.answers(frame(request), 1)
                return answer if isinstance(answer, str) else None
        except (_ChildLost, ValueError):
            return None

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[_Child]:
        """Lend a child; one that was lost or is left in the middle is ended."""
        child = self._borrow()
        try:
            yield child
        except BaseException:
            child.end()
            raise
        else:
            self._idle.append(child)
        finally:
            self._free.release()

    def _borrow(self) -> _Child:
        if not self._free.acquire(timeout=self._limits.wall_seconds + 2):
            raise Unavailable("Rendering is busy just now. Try again in a moment.")
        try:
            return self._idle.pop() if self._idle else _Child(self._limits)
        except OSError:
            self._free.release()
            raise


def _forget_in_child(this: weakref.ref[RenderPool]) -> None:
    pool = this()
    if pool is not None:
        pool._forget()


@cache
def shared_pool() -> RenderPool:
    """Return the pool of this process, for pages and the API."""
    pool = RenderPool(size=2)
    atexit.register(pool.close)
    return pool
