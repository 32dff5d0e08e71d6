"""The practice servers as a process of their own, and clients to talk to them."""

import imaplib
import signal
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import psutil

from webapp.core import practice

PATIENCE = 120.0


class Servers:
    """Practice servers in a data directory, to be stopped and started at will."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> practice.Access:
        found = practice.load(self.data_dir)
        assert found is not None
        return found

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self) -> None:
        (self.data_dir / practice.FILE_NAME).touch()
        before = (self.data_dir / practice.FILE_NAME).stat().st_mtime_ns
        self._process = subprocess.Popen(  # noqa: S603 - this very Python
            [
                *(sys.executable, "-m", "webapp.practice.server"),
                *("--data-dir", str(self.data_dir)),
                *("--slow-seconds", "0.5"),
                *("--answer-seconds", "0.1", "--bounce-seconds", "0.2"),
            ]
        )
        deadline = time.monotonic() + PATIENCE
        while (self.data_dir / practice.FILE_NAME).stat().st_mtime_ns == before:
            assert self._process.poll() is None, "the practice servers ended"
            assert time.monotonic() < deadline, "the practice servers do not listen"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def smtp(self) -> smtplib.SMTP:
        client = smtplib.SMTP(practice.HOST, self.access.smtp_port, timeout=PATIENCE)
        client.login(self.access.login, self.access.password)
        return client

    def imap(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4(practice.HOST, self.access.imap_port, timeout=PATIENCE)
        client.login(self.access.login, self.access.password)
        return client

    def empty(self) -> None:
        """Remove every mail of INBOX."""
        with self.imap() as client:
            client.select()
            client.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
            client.expunge()

    def inbox(self, wanted: int = 0) -> list[bytes]:
        """Return the sources of INBOX, once at least so many are there."""
        deadline = time.monotonic() + PATIENCE
        with self.imap() as client:
            while True:
                client.select(readonly=True)
                _ok, found = client.uid("SEARCH", "ALL")
                uids = found[0].split()
                if len(uids) >= wanted:
                    break
                assert time.monotonic() < deadline, f"only {len(uids)} mails came"
                time.sleep(0.05)
            if not uids:
                return []
            _ok, rows = client.uid("FETCH", b",".join(uids).decode(), "(BODY.PEEK[])")
        return [row[1] for row in rows if isinstance(row, tuple)]
