"""Where tests keep what they throw away: in memory, where the machine has room there.

The product waits for the disk at each commit, in tests too; memory answers at once.
What the tests prove about durability they prove by killing processes, which loses no
write that the kernel has taken, wherever it keeps it.
"""

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - only directories of their own are made there
ROOM = 2 * 1024**3


def place() -> str:
    """Return the directory in which to make temporary ones."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        return str(MEMORY)
    return tempfile.gettempdir()
