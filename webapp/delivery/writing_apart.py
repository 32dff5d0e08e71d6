"""A process beside the worker that renders and composes, so that this one can send.

It is given what the worker has read and returns letters; it has no database, opens no
connection to a mail server, and ends when the worker does, however that ends. Losing it
loses nothing: what it was writing is only prepared, and is written here instead.
"""

import multiprocessing
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from webapp.delivery.writing import Due, Known, Paper, Ready

#: The number of the first answer, which nobody asked for: the process is ready.
HELLO = 0
#: A chunk takes some ten milliseconds; one that takes so long is stuck.
PATIENCE_SECONDS = 10.0
#: After a loss the worker writes for itself for a while.
PAUSE_SECONDS = 30.0
PACKAGE = str(Path(__file__).resolve().parents[1])
#: Only what writing needs is imported, and not the whole application.
START = (
    "import sys, types; package = types.ModuleType('webapp');"
    "package.__path__ = [sys.argv[1]]; sys.modules['webapp'] = package;"
    "from webapp.delivery.writing_child import main; main(int(sys.argv[2]))"
)


class WriterLost(Exception):
    """The process is gone, or silent."""


class Writer:
    """The worker's end; for one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._is_warm = False
        self._not_before = 0.0
        self._number = HELLO
        self._paper: Paper | None = None
        self._answers: dict[int, list[Ready]] = {}

    def is_warm(self) -> bool:
        """Whether the process takes questions; the first time this starts it.

        Starting takes a second or so, in which the worker writes for itself.
        """
        try:
            if self._line is None:
                if time.monotonic() >= self._not_before:
                    self._start()
            elif not self._is_warm and self._line.poll(0):
                self._is_warm = self._take(HELLO)
        except (OSError, WriterLost):
            self._end()
        return self._is_warm

    def ask(self, paper: Paper, rows: Sequence[Due], known: Known, at: datetime) -> int:
        """Have some rows written; returns the number to ask for the answer with.

        Raises
        ------
        WriterLost
            If the process is gone.
        """
        if self._line is None:
            raise WriterLost
        self._number += 1
        news = None if paper is self._paper else paper
        request = (self._number, news, [tuple(row) for row in rows], known, at)
        try:
            self._line.send_bytes(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
        except (OSError, ValueError) as error:
            self._end()
            raise WriterLost from error
        self._paper = paper
        return self._number

    def has(self, number: int) -> bool:
        """Whether an answer can be had without waiting; true too if none will come."""
        if number in self._answers or self._line is None:
            return True
        try:
            return self._line.poll(0) and self._take(number)
        except (OSError, WriterLost):
            return True

    def answer(self, number: int) -> list[Ready]:
        """Wait for an answer, for a bounded time.

        Raises
        ------
        WriterLost
            If the process is gone, or silent for too long.
        """
        try:
            while number not in self._answers:
                self._wait()
                self._take(number)
        except (OSError, WriterLost) as error:
            self._end()
            raise WriterLost from error
        return self._answers.pop(number)

    def _wait(self) -> None:
        if self._line is None or not self._line.poll(PATIENCE_SECONDS):
            raise WriterLost

    def close(self) -> None:
        """End the process; the next campaign starts another one."""
        self._end()

    def _take(self, wanted: int) -> bool:
        """Read one answer; what was asked before the one wanted is of no use now."""
        assert self._line is not None
        try:
            number, made = pickle.loads(self._line.recv_bytes())  # noqa: S301 - our own process, by a private pipe
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise WriterLost from error
        if number >= wanted:
            self._answers[number] = made
        return bool(number == wanted)

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        descriptor = theirs.fileno()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, fixed arguments
                [sys.executable, "-I", "-c", START, PACKAGE, str(descriptor)],
                pass_fds=(descriptor,),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._line = ours

    def _end(self) -> None:
        self._not_before = time.monotonic() + PAUSE_SECONDS
        process, line = self._process, self._line
        self._process, self._line, self._paper = None, None, None
        self._is_warm = False
        self._answers.clear()
        if line is not None:
            line.close()
        if process is not None:
            process.kill()
            process.wait()
