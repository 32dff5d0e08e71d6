"""The whole desk as a person runs it: ``serve.py`` in a directory, on a free port."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0


def _read_all(pipe: IO[str], lines: list[str]) -> None:
    with pipe:
        lines.extend(pipe)


#: What tells one process of a desk from another.
PARTS = ("redis-server", "practice.server", "gunicorn", "worker.py", "mailbox watch")


class Desk:
    """A running ``serve.py``; what it says is in `lines` and `complaints`."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.data_dir = data_dir
        self.environ = environ
        self.lines: list[str] = []
        self.complaints: list[str] = []
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR")
                if name in os.environ}  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "serve.py"],
            cwd=ROOT,
            env={**kept, "DATA_DIR": str(data_dir), "PORT": "0", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=_read_all, args=(self.process.stdout, self.lines)),
            threading.Thread(
                target=_read_all, args=(self.process.stderr, self.complaints)
            ),
        ]
        for reader in self._readers:
            reader.start()

    def address(self) -> str:
        """Wait for the one line, and return the address in it."""
        self.wait_until(lambda: bool(self.lines), "no address was printed")
        found = re.fullmatch(r"Open (\S+)(?: \(valid 30 min, once\))?\n", self.lines[0])
        assert found is not None, self.lines
        return found.group(1)

    def children(self) -> dict[str, psutil.Process]:
        """Return the processes that the supervisor started, by what they run."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                words = " ".join(child.cmdline())
            except psutil.NoSuchProcess:  # ended just now, as a zombie or for good
                continue
            for part in PARTS:
                if part in words:
                    found[part] = child
        return found

    def told(self) -> str:
        """Return what it said on standard error; all of it once it has ended."""
        if self.process.poll() is not None:
            self._read_to_the_end()
        return "".join(self.complaints)

    def _read_to_the_end(self) -> None:
        for reader in self._readers:
            reader.join(PATIENCE)

    def family(self) -> list[psutil.Process]:
        """Return every process below the supervisor."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def cut_the_power(self) -> None:
        """Kill every process at once, so that none can finish or tidy up."""
        family = self.family()
        self.process.kill()
        for child in family:
            child.kill()
        psutil.wait_procs(family, PATIENCE)
        self.end()

    def end(self) -> None:
        """Make sure that nothing is left, whatever the test did."""
        if self.process.poll() is None:
            family = self.family()
            self.process.kill()
            self.process.wait(PATIENCE)
            for child in family:
                if child.is_running():
                    child.kill()
        self._read_to_the_end()

    def wait_until(self, holds: object, words: str) -> None:
        """Wait until something holds; fail with words after a while."""
        assert callable(holds)
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, f"it ended by itself\n{self.told()}"
            assert time.monotonic() < deadline, f"{words}\n{self.told()}"
            time.sleep(0.05)
