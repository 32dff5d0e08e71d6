"""The process beside the worker: takes rows, returns letters; see `writing_apart`.

It ends with the pipe.
"""

import pickle
import queue
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from webapp.delivery.writing import Due, Paper, draft_of, written
from webapp.delivery.writing_apart import HELLO
from webapp.message_templates.rendering import RenderPool


def main(descriptor: int) -> None:
    """Write until the worker at the other end of the pipe is gone."""
    # A Ctrl-C is for the worker, which ends us when it has drained.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Connection(descriptor)
    asked: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    # Always reading, so that the worker never waits for us to take a question.
    threading.Thread(target=_listen, args=(line, asked), daemon=True).start()
    paper: Paper | None = None
    with RenderPool() as pool, suppress(OSError):
        line.send_bytes(pickle.dumps((HELLO, []), pickle.HIGHEST_PROTOCOL))
        while (request := asked.get()) is not None:
            number, news, rows, known, at = pickle.loads(request)  # noqa: S301 - of the worker that started us
            paper = news or paper
            assert paper is not None
            stationery = paper.stationery
            assert stationery is not None
            drafts = [draft_of(stationery, Due(*row), at) for row in rows]
            made = written(paper, drafts, known, pool)
            line.send_bytes(pickle.dumps((number, made), pickle.HIGHEST_PROTOCOL))


def _listen(line: Connection, asked: "queue.SimpleQueue[bytes | None]") -> None:
    with suppress(EOFError, OSError):
        while True:
            asked.put(line.recv_bytes())
    asked.put(None)
