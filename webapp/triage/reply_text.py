"""What a reply takes over from the mail: subject, thread, quote. Pure."""

import re
from collections.abc import Sequence

from webapp.core.one_line import one_line
from webapp.mailboxes.headers import Headers, message_ids

MOST_REFERENCES = 20
LONGEST_ID = 250
LONGEST_SUBJECT = 900
MOST_LINES = 400
LONGEST_QUOTE = 20_000
_RE = re.compile(r"\s*(?:re|aw|sv|antw|odp|ref) ?:", re.IGNORECASE)


def subject_of(subject: str) -> str:
    """Return the subject of a reply; one ``Re:`` is enough.

    Examples
    --------
    >>> subject_of("Your card"), subject_of("RE: Your card"), subject_of("AW: Karte")
    ('Re: Your card', 'RE: Your card', 'AW: Karte')
    """
    subject = one_line(subject, LONGEST_SUBJECT)
    return subject if _RE.match(subject) else f"Re: {subject}".strip()


def threading(headers: Headers) -> dict[str, str]:
    """Return In-Reply-To and References of a reply (RFC 5322 3.6.4).

    Of a long thread the first id stays, and the last ones.

    Examples
    --------
    >>> parent = Headers((("message-id", "<c@d>"), ("references", "<a@b> <b@c>")))
    >>> threading(parent)
    {'In-Reply-To': '<c@d>', 'References': '<a@b> <b@c> <c@d>'}
    >>> threading(Headers((("subject", "No id"),)))
    {}
    """
    own = _ids(headers.first("message-id"))[:1]
    before = _ids(headers.first("references"))
    answered = _ids(headers.first("in-reply-to"))
    if not before and len(answered) == 1:
        before = answered
    ids = list(dict.fromkeys([*(one for one in before if one not in own), *own]))
    if len(ids) > MOST_REFERENCES:
        ids = [ids[0], *ids[1 - MOST_REFERENCES :]]
    found = {"In-Reply-To": "".join(own), "References": " ".join(ids)}
    return {name: value for name, value in found.items() if value}


def _ids(value: str) -> list[str]:
    """Return the ids that may stand in a header of ours."""
    found = message_ids(value)
    return [
        one
        for one in found
        if one.isascii() and one.isprintable() and len(one) <= LONGEST_ID
    ]


def quoted(text: str, intro: str) -> str:
    r"""Return a text as a quote, with two empty lines to write in above it.

    Examples
    --------
    >>> quoted("Hello\n> old\n", "Ada wrote:")
    '\n\nAda wrote:\n> Hello\n>> old\n'
    >>> quoted(" \n", "Ada wrote:")
    ''
    """
    lines = text[:LONGEST_QUOTE].replace("\r\n", "\n").replace("\r", "\n").rstrip()
    if not lines.strip():
        return ""
    rows = [_row(row) for row in lines.lstrip("\n").split("\n")[:MOST_LINES]]
    return "\n".join(["", "", intro, *rows, ""])


def _row(row: str) -> str:
    row = row.rstrip()
    if not row:
        return ">"
    return f">{row}" if row.startswith(">") else f"> {row}"


def inserted(text: str, saved: str) -> str:
    r"""Return a reply with a saved text: below what was written, above the quote.

    Examples
    --------
    >>> inserted("Dear Ada,\n\n\nAda wrote:\n> Hello\n", "Thank you.")
    'Dear Ada,\n\nThank you.\n\nAda wrote:\n> Hello\n'
    >>> inserted("", "Thank you.")
    'Thank you.\n'
    """
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    at = _start_of_quote(rows)
    above = "\n".join(rows[:at]).strip()
    below = "\n".join(rows[at:]).strip("\n")
    pieces = [one for one in (above, saved.strip(), below) if one]
    return "\n\n".join(pieces) + "\n"


def _start_of_quote(rows: Sequence[str]) -> int:
    """Return where the quote begins, with the line that introduces it."""
    first = next((at for at, row in enumerate(rows) if row.startswith(">")), len(rows))
    is_introduced = 0 < first < len(rows) and rows[first - 1].endswith(":")
    return first - 1 if is_introduced else first
