"""Set-up, the example, and the checklist that can be hidden."""

import logging
from typing import Any

from webapp.core.db import db
from webapp.operators import setup
from webapp.operators.models import Operator, Setting

log = logging.getLogger(__name__)

CHECKLIST_HIDDEN = "checklist_hidden"


def set_up(token: str, **who: Any) -> Operator:
    """Create the first operator.

    Raises
    ------
    NotFound
        If the set-up token is not good any more.
    Invalid
        If a value is wrong.
    """
    return setup.create_first(token, **who)


def make_practice_kit(operator: Operator) -> bool:
    """Lay out the example and the practice mailbox now; whether that worked.

    The set-up is done already, so a fault here is logged and not more than that.
    """
    try:
        setup.make_kit(operator)
    except Exception:  # the operator exists, so the desk must open
        db.session.rollback()
        log.exception("the practice kit could not be laid out")
        return False
    return True


def hide_checklist() -> None:
    """Remember that nobody wants to see the first steps any more."""
    db.session.merge(Setting(key=CHECKLIST_HIDDEN, value=True))
    db.session.commit()


def show_checklist() -> None:
    """Bring the first steps back."""
    db.session.merge(Setting(key=CHECKLIST_HIDDEN, value=False))
    db.session.commit()


def is_checklist_hidden() -> bool:
    """Whether the first steps are hidden."""
    found = db.session.get(Setting, CHECKLIST_HIDDEN)
    return found is not None and bool(found.value)
