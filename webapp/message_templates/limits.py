"""What one rendering may use before it is stopped."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a rendering child.

    Parameters
    ----------
    cpu_seconds
        Processor time for one row; the kernel ends the child after it.
    wall_seconds
        Time without an answer after which the parent ends the child. Longer than the
        processor time, so that a busy machine alone fails nobody's message.
    memory_bytes
        Address space of the child.
    start_seconds
        Time that a new child may take to be ready.
    kills
        How often one call may lose its child before the rows that are left fail too.
    """

    cpu_seconds: int = 1
    wall_seconds: float = 10.0
    start_seconds: float = 30.0
    memory_bytes: int = 512 * 1024 * 1024
    kills: int = 4
