"""Every view of triage by its name: those that the servers answer, and our own."""

from webapp.core.words import _
from webapp.triage import service, work_views
from webapp.triage.service import View
from webapp.triage.work_views import Asked


def shown(asked: Asked) -> View:
    """Return a page of a view.

    Raises
    ------
    NotFound
        If there is no such view.
    Invalid
        If the search or the cursor cannot be understood.
    """
    if asked.name in work_views.VIEWS:
        return work_views.view(asked)
    return service.view(asked.name, asked.text, asked.limit, asked.cursor)


def title(name: str) -> str:
    """Return the heading of a view."""
    titles = {
        "unread": _("Unread"),
        "flagged": _("Flagged"),
        "all": _("All inboxes"),
        "replies": _("Replies"),
        "bounces": _("Bounces"),
        "auto_replies": _("Automatic replies"),
        "unsubscribes": _("Unsubscribes"),
        "complaints": _("Complaints"),
        "mine": _("Mine"),
        "unassigned": _("Nobody's"),
        "snoozed": _("Snoozed"),
        "done": _("Done"),
        "labelled": _("Label"),
    }
    return titles.get(name, _("Triage"))
