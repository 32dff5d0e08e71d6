"""What an operator does with chosen mails of any mailboxes, and the way back.

Each group of mails (one folder, one numbering) is one change on its server. What can be
undone comes back as words for an undo: flags by the mails that really changed, moves by
the new UIDs that the server told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webapp.core.errors import Invalid
from webapp.core.words import _
from webapp.mailboxes import filing, folders, naming
from webapp.mailboxes.filing import Choice, Outcome
from webapp.mailboxes.models import Folder
from webapp.triage import chosen
from webapp.triage.chosen import Chosen, NotChosen

#: Flags to add, flags to remove, and the way back.
FLAGS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "read": (("\\Seen",), (), "unread"),
    "unread": ((), ("\\Seen",), "read"),
    "flag": (("\\Flagged",), (), "unflag"),
    "unflag": ((), ("\\Flagged",), "flag"),
}
MOVES = ("archive", "delete", "move", "put_back")
ACTIONS = (*FLAGS, *MOVES)


@dataclass(frozen=True)
class Changed:
    """How many mails changed, and how to undo it.

    Attributes
    ----------
    undo, words
        The action that undoes it and the words that name its mails; empty if there is
        no way back.
    marked
        Mails that the server can only mark as deleted: they are still there.
    troubles
        Why it ended before all were done.
    """

    count: int
    undo: str = ""
    words: str = ""
    marked: int = 0
    troubles: tuple[str, ...] = ()


def change(words: Sequence[str], action: str, to: str = "") -> Changed:
    """Do something with chosen mails.

    Parameters
    ----------
    to
        The id of a folder, where the action is ``move``.

    Raises
    ------
    Invalid
        If nothing, or nothing that we know, was chosen.
    """
    groups = _groups(words, action)
    if action in FLAGS:
        return _flagged(groups, action)
    return _moved(groups, action, to)


def goes_for_good(words: Sequence[str]) -> int:
    """Return how many of the chosen mails a deletion would remove for good."""
    return sum(
        len(group.uids)
        for group in _groups(words, "delete")
        if folders.get(group.folder_id).role in naming.GOING
    )


def _groups(words: Sequence[str], action: str) -> list[Chosen]:
    if action not in ACTIONS:
        raise Invalid(_("Choose what to do with the mails."))
    try:
        groups = chosen.read(words)
    except NotChosen as error:
        raise Invalid(
            _("These mails are not known here. Open the list again.")
        ) from error
    if not groups:
        raise Invalid(_("Choose at least one mail first."))
    return groups


def _flagged(groups: Sequence[Chosen], action: str) -> Changed:
    add, remove, back = FLAGS[action]
    done: list[Chosen] = []
    for group in groups:
        folder = folders.get(group.folder_id)
        uids = filing.change_flags(folder, _choice(group), add=add, remove=remove)
        if uids:
            done.append(Chosen(group.folder_id, group.uidvalidity, tuple(uids)))
    count = sum(len(group.uids) for group in done)
    return Changed(count, back, " ".join(group.word for group in done))


def _moved(groups: Sequence[Chosen], action: str, to: str) -> Changed:
    count, marked, troubles, back = 0, 0, [], []
    for group in groups:
        folder = folders.get(group.folder_id)
        outcome = _way(action, group, to)(folder, _choice(group))
        filed = outcome.filed
        count += len(filed.uids)
        marked += len(filed.marked)
        troubles += [filed.words] if filed.words else []
        if outcome.target_id and filed.placed and filed.uidvalidity and not marked:
            new = tuple(filed.placed.values())
            home = group.folder_id
            back.append(Chosen(outcome.target_id, filed.uidvalidity, new, home))
    is_whole = sum(len(group.uids) for group in back) == count
    undoable = bool(back) and is_whole and action != "put_back"
    words = " ".join(group.word for group in back) if undoable else ""
    return Changed(count, "put_back" if undoable else "", words, marked, (*troubles,))


def _way(action: str, group: Chosen, to: str) -> Callable[[Folder, Choice], Outcome]:
    """Return what is to be done with one group."""
    if action == "archive":
        return filing.archive
    if action == "delete":
        return filing.delete
    target = group.home if action == "put_back" else _number(to)
    return lambda folder, choice: filing.move(folder, choice, folders.get(target or 0))


def _number(to: str) -> int:
    if not (to.isascii() and to.isdigit() and len(to) <= len(str(2**31))):
        raise Invalid(_("Choose a folder to move the mails to."))
    return int(to)


def _choice(group: Chosen) -> Choice:
    return Choice(group.uids, uidvalidity=group.uidvalidity)
