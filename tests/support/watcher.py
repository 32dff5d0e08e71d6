"""The process that listens to mailboxes, as a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from webapp.mailboxes import watching
from webapp.mailboxes.imap_wire import Line

PATIENCE = 60.0


@contextmanager
def listening(app: Flask) -> Iterator[threading.Event]:
    """Run it; the event is set once it listens to a mailbox by IDLE."""
    stopping, listens = threading.Event(), threading.Event()
    begin = Line.idle

    def noted(line: Line) -> None:
        begin(line)
        listens.set()

    thread = threading.Thread(target=watching.run, args=(app, stopping), daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "idle", noted)
        thread.start()
        try:
            yield listens
        finally:
            stopping.set()
            thread.join(PATIENCE)
    assert not thread.is_alive()
