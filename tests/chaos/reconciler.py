"""A process that does nothing but reconcile, all the time: two of them at once."""

import os
import sys
import time

import config
import webapp
from tests.chaos import victim
from webapp.delivery import reconcile

PAUSE = 0.1


def main() -> int:
    """Tick until killed, or left alone."""
    parent = os.getppid()
    victim.hasten()
    with webapp.create_app(config.read()).app_context():
        while os.getppid() == parent:
            reconcile.tick()
            time.sleep(PAUSE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
