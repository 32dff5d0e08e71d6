"""A worker under a sampling profiler: where the microseconds of its threads go.

    POSTROOM_PROFILE=/tmp/profile.txt python -m bench one-worker --quick

A thread looks at what every thread is doing, every few milliseconds, and the file says
how often each place was seen: functions by their own time, and by all below them.
"""

import atexit
import collections
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import worker

PAUSE = 0.002
SHOWN = 60


class Samples:
    """What was seen, and how often."""

    def __init__(self) -> None:
        self.own: collections.Counter[str] = collections.Counter()
        self.below: collections.Counter[str] = collections.Counter()
        self.taken = 0

    def take(self, mine: int) -> None:
        """Look at all threads but our own."""
        self.taken += 1
        for ident, frame in sys._current_frames().items():
            if ident != mine:
                self._note(frame)

    def _note(self, frame: FrameType) -> None:
        self.own[_place(frame)] += 1
        seen = set()
        at: FrameType | None = frame
        while at is not None:
            seen.add(_place(at))
            at = at.f_back
        self.below.update(seen)

    def text(self) -> str:
        """Return the counts as shares of the samples."""
        parts = [f"{self.taken} samples"]
        for words, counts in (("own time", self.own), ("with below", self.below)):
            parts.append(words)
            parts += [
                f"{count / self.taken:7.1%}  {place}"
                for place, count in counts.most_common(SHOWN)
            ]
        return "\n".join(parts) + "\n"


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{Path(code.co_filename).name}:{code.co_qualname}"


def main() -> int:
    """Run a worker and write what was seen when it ends."""
    samples = Samples()
    target = Path(os.environ["POSTROOM_PROFILE"])

    def look() -> None:
        while True:
            time.sleep(PAUSE)
            samples.take(threading.get_ident())

    threading.Thread(target=look, daemon=True).start()
    atexit.register(lambda: target.write_text(samples.text(), encoding="utf-8"))
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
