"""No garbage collection while the program is imported: to be imported before the rest.

What is imported stays until the end. The collector goes through all of it again and
again nevertheless, a quarter of the time that each process takes to start; and later
too, whenever it looks at everything (https://docs.python.org/3/library/gc.html).
"""

import gc

gc.disable()


def is_done() -> None:
    """Collect garbage again, but leave alone what there is now."""
    gc.freeze()
    gc.enable()
