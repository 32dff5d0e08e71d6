"""Processes that run as long as we do: started, watched, started again, stopped.

Each child leads a process group of its own, so that Ctrl-C reaches its supervisor
alone, and gets SIGTERM from the kernel when the supervisor dies, so that no orphan goes
on sending. A child that is stopping is still listened to: one that drains may have much
to say, and would wait for ever on a full pipe.
"""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1  # prctl(2)
LIBC = ctypes.CDLL(None)
LONGEST_LINE = 1 << 20
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 15.0
STEADY_SECONDS = 30.0


@dataclass
class Child:
    """A process that has to run as long as we do.

    Attributes
    ----------
    patience
        Seconds that it gets to end after SIGTERM.
    needed
        Says whether it has to be started (again) at all.
    """

    name: str
    command: Sequence[str]
    patience: float
    pass_fds: tuple[int, ...] = ()
    needed: Callable[[], bool] = lambda: True
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    stopping: bool = field(default=False, init=False)

    async def keep(self, environ: Mapping[str, str]) -> None:
        """Run it, pass on what it says, and start it again until we are stopping."""
        pause = SHORTEST_PAUSE
        while True:
            while not self.needed():
                await asyncio.sleep(1.0)
            if self.is_stopping():
                return
            begun = time.monotonic()
            status = await self._run(environ)
            if self.is_stopping():
                return
            steady = time.monotonic() - begun > STEADY_SECONDS
            pause = SHORTEST_PAUSE if steady else min(pause * 2, LONGEST_PAUSE)
            say(f"{self.name} {ending(status)}; it starts again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def _run(self, environ: Mapping[str, str]) -> int:
        """Start the process, pass on its lines, and return its exit status."""
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=ROOT,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE,
            pass_fds=self.pass_fds,
            start_new_session=True,
            preexec_fn=die_with_us,  # one system call, which takes no lock
        )
        assert self.process.stdout is not None
        while line := await next_line(self.process.stdout):
            say(f"{self.name} | {line.decode(errors='replace').rstrip()}")
        return await self.process.wait()

    def is_stopping(self) -> bool:
        """Say whether it was told to end, and so may."""
        return self.stopping

    async def stop(self) -> None:
        """Ask it to end, wait, and end it."""
        self.stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), self.patience)
        except TimeoutError:
            say(f"{self.name} did not end within {self.patience:.0f} s; it is killed")
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self.stopping = True
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


async def stop_in_order(groups: Sequence[Sequence[Child]]) -> None:
    """Stop one group after the other, the members of a group together."""
    for group in groups:
        await asyncio.gather(*(child.stop() for child in group))


async def first_of(*alternatives: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of these is done, and drop the others."""
    tasks = [asyncio.ensure_future(alternative) for alternative in alternatives]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


async def next_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, or what stands for one that is too long to show."""
    try:
        return await stream.readline()
    except ValueError:
        return b"(a line that is too long to show)\n"


def ending(status: int) -> str:
    """Say in words how a process ended."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def die_with_us() -> None:
    """Let the kernel end this child when its supervisor dies, however that happens."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def say(line: str) -> None:
    """Write a line for the person who started us."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
