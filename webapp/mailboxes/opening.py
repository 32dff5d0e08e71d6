"""Open one mail: its source when it is small, its structure and texts when it is not.

Everything is a PEEK in a folder opened by EXAMINE, so no flag ever changes. A mail up
to 1 MB comes whole in one answer and is taken apart here. Of a larger one the server
tells the structure, and only the texts are fetched; if that structure cannot be read,
the mail is fetched up to 25 MB after all.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO

from webapp.core.file_names import RASTER
from webapp.mailboxes import structure, uuencoded
from webapp.mailboxes.browsing import (
    WORDS_GONE,
    open_and_ask,
    open_rows,
    row_items,
    rows_by_uid,
    rows_heard,
    the_row,
)
from webapp.mailboxes.calendar_parts import MOST_PARTS as MOST_CALENDARS
from webapp.mailboxes.calendar_parts import is_calendar
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_commands import fetched, fetching
from webapp.mailboxes.imap_errors import (
    ImapError,
    MailGone,
    ServerRefused,
    Unreachable,
)
from webapp.mailboxes.imap_fetched import Fetched
from webapp.mailboxes.imap_selected import Selected
from webapp.mailboxes.inner_mails import Place, inner_source, is_mail
from webapp.mailboxes.mime import (
    MAIL_CAP,
    MOST_BODIES,
    TEXT_CAP,
    Parsed,
    Part,
    decode_payload,
    parse_mail,
    unpacked,
)
from webapp.mailboxes.query import LARGEST_NUMBER
from webapp.mailboxes.rows import MailRow
from webapp.mailboxes.sanitise import IMAGE_CAP, MOST_INLINE_OCTETS

SMALL = 1024 * 1024
SLICE = 256 * 1024
SOURCE_CAP = 100 * 1024 * 1024
IN_MEMORY = 1024 * 1024


@dataclass(frozen=True)
class Opened:
    """A mail as it can be shown. `is_whole` says that the payloads are all here.

    One inside another has a `place`, and the subjects of those `around` it.
    """

    row: MailRow
    uidvalidity: int
    mail: Parsed
    is_whole: bool
    place: Place = ()
    around: tuple[str, ...] = ()


class StructureUnreadable(ImapError):
    """The answer to BODYSTRUCTURE broke the line; ask again without it."""


def open_mail(
    connection: Connection,
    raw: bytes,
    uid: int,
    uidvalidity: int | None = None,
    *,
    with_structure: bool = True,
) -> Opened:
    """Open a mail without changing it.

    Raises
    ------
    MailGone
        If no mail has that UID.
    FolderGone, FolderRenumbered
        If the folder is not what the caller knew.
    StructureUnreadable
        If the connection was lost over a large mail's structure.
    """
    if not 0 < uid <= LARGEST_NUMBER:
        raise MailGone(WORDS_GONE)
    selected, row, source = _start(connection, raw, uid, uidvalidity)
    size = row.size if row.size is not None else len(source)
    if len(source) < SMALL:
        return Opened(row, selected.uidvalidity, parse_mail(source), is_whole=True)
    mail = _by_structure(connection, uid, source) if with_structure else None
    if mail is None:
        whole = b"".join(_slices(connection, uid, b"", min(size, MAIL_CAP)))
        return Opened(row, selected.uidvalidity, parse_mail(whole), is_whole=True)
    return Opened(row, selected.uidvalidity, mail, is_whole=False)


def _start(
    connection: Connection, raw: bytes, uid: int, uidvalidity: int | None
) -> tuple[Selected, MailRow, bytes]:
    """Open the folder, and fetch the row and the first part of the source with it."""
    items = row_items(connection)[:-1] + b" " + _piece(b"", 0, SMALL) + b")"
    ask = fetching(b"%d" % uid, items)
    selected, heard = open_and_ask(connection, raw, uidvalidity, ask)
    if heard.is_ok and uid not in fetched(heard).unreadable:
        row = the_row(rows_heard(connection, heard, [uid]))
        return selected, row, _octets(fetched(heard), uid, b"")
    row = the_row(rows_by_uid(connection, [uid]))
    return selected, row, _slice(connection, uid, b"", 0, SMALL)


def _by_structure(connection: Connection, uid: int, source: bytes) -> Parsed | None:
    """Return the mail with only its texts fetched, or None if that cannot be done."""
    try:
        found = connection.fetch(b"%d" % uid, b"(UID BODYSTRUCTURE)")
        answer = found.items.get(uid, {}).get(b"BODYSTRUCTURE")
        root = structure.tree(answer)
    except (structure.BadStructure, ServerRefused, Unreachable) as error:
        if connection.broken:
            raise StructureUnreadable(
                "The mail's structure is not readable."
            ) from error
        return None
    mail = Parsed(parse_mail(source).headers, root, is_cut=False)
    wanted = {part.section for kind in ("plain", "html") for part in mail.bodies(kind)}
    wanted = set(sorted(wanted)[:MOST_BODIES])
    calendars = [part.section for part in mail.attachments() if is_calendar(part)]
    wanted.update(calendars[:MOST_CALENDARS])
    return replace(mail, root=_with_texts(connection, uid, root, wanted))


def _with_texts(connection: Connection, uid: int, part: Part, wanted: set[str]) -> Part:
    if part.parts:
        parts = tuple(_with_texts(connection, uid, p, wanted) for p in part.parts)
        return replace(part, parts=parts)
    if part.section not in wanted:
        return part
    section = part.section.encode("ascii")
    text = replace(part, payload=_slice(connection, uid, section, 0, 2 * TEXT_CAP))
    return unpacked(text) if part.size < 2 * TEXT_CAP else text


def open_inside(connection: Connection, opened: Opened, place: Place) -> Opened:
    """Open the mail at a place inside another, level by level.

    It has no flags and no time of arrival: those are the outer one's.

    Raises
    ------
    MailGone
        If no mail is there.
    """
    for number in place:
        octets = _inner_octets(connection, opened, number, 2 * MAIL_CAP)
        mail = parse_mail(octets)
        row = MailRow(opened.row.uid, frozenset(), None, len(octets), mail.headers)
        around = (*opened.around, opened.mail.headers.text("subject"))
        inner = (*opened.place, number)
        opened = Opened(row, opened.uidvalidity, mail, True, inner, around)
    return opened


def _inner_octets(
    connection: Connection, opened: Opened, number: int, most: int
) -> bytes:
    parts = opened.mail.attachments()
    part = parts[number - 1] if 1 <= number <= len(parts) else None
    if part is None or not is_mail(part):
        raise MailGone("No other mail is inside this one at that place.")
    return inner_source(part, _payload(connection, opened, part, most))


def source_inside(connection: Connection, opened: Opened, number: int) -> IO[bytes]:
    """Return a file with the source of a mail that is an attachment of another."""
    octets = _inner_octets(connection, opened, number, SOURCE_CAP)
    return _spooled(iter([octets]))


def inline_images(connection: Connection, opened: Opened) -> dict[str, bytes]:
    """Return the octets of the mail's own raster images, by Content-ID, under caps."""
    found: dict[str, bytes] = {}
    left = MOST_INLINE_OCTETS
    for part in opened.mail.attachments():
        if not part.content_id or part.mime_type not in RASTER:
            continue
        if part.size > 2 * IMAGE_CAP or part.size > left * 2:
            continue
        octets = _part_octets(connection, opened, part)
        left -= len(octets)
        found[part.content_id] = octets
    return found


def _part_octets(connection: Connection, opened: Opened, part: Part) -> bytes:
    payload = _payload(connection, opened, part, part.size)
    return decode_payload(payload, part.encoding)


def _payload(connection: Connection, opened: Opened, part: Part, most: int) -> bytes:
    """Return what a part holds, still encoded, from here or from the server."""
    was_in_text = part.encoding == uuencoded.ENCODING and part.payload
    if opened.is_whole or was_in_text:
        return part.payload
    section = part.section.encode("ascii")
    return b"".join(_slices(connection, opened.row.uid, section, most))


def attachment(
    connection: Connection, opened: Opened, number: int
) -> tuple[Part, IO[bytes]]:
    """Return an attachment (from 1) and a file with its content, at the start.

    Raises
    ------
    MailGone
        If the mail has no such attachment.
    """
    part = _numbered(opened, number)
    if not opened.is_whole and part.size > SOURCE_CAP:
        raise ServerRefused("This attachment is larger than 100 MB.")
    return part, _spooled(iter([_part_octets(connection, opened, part)]))


def _numbered(opened: Opened, number: int) -> Part:
    parts = opened.mail.attachments()
    if not 1 <= number <= len(parts):
        raise MailGone("This mail has no such attachment.")
    return parts[number - 1]


def source(
    connection: Connection, raw: bytes, uid: int, uidvalidity: int | None = None
) -> IO[bytes]:
    """Return a file with the complete RFC 5322 source of a mail, at the start."""
    _selected, rows = open_rows(connection, raw, [uid], uidvalidity)
    row = the_row(rows)
    if row.size is not None and row.size > SOURCE_CAP:
        raise ServerRefused("This mail is larger than 100 MB.")
    return _spooled(_slices(connection, uid, b"", SOURCE_CAP))


def _spooled(pieces: Iterator[bytes]) -> IO[bytes]:
    spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the answer closes it
    for piece in pieces:
        spool.write(piece)
    spool.seek(0)
    return spool


def _slices(
    connection: Connection, uid: int, section: bytes, most: int
) -> Iterator[bytes]:
    """Yield the octets of a section in slices, until one comes short."""
    for start in range(0, most, SLICE):
        piece = _slice(connection, uid, section, start, min(SLICE, most - start))
        yield piece
        if len(piece) < SLICE:
            return


def _slice(
    connection: Connection, uid: int, section: bytes, start: int, length: int
) -> bytes:
    items = b"(UID " + _piece(section, start, length) + b")"
    return _octets(connection.fetch(b"%d" % uid, items), uid, section)


def _piece(section: bytes, start: int, length: int) -> bytes:
    return b"BODY.PEEK[%b]<%d.%d>" % (section, start, length)


def _octets(found: Fetched, uid: int, section: bytes) -> bytes:
    if uid not in found.items:
        raise MailGone(WORDS_GONE)
    for key, value in found.items[uid].items():
        if key.upper().startswith(b"BODY[%b]" % section.upper()):
            return value if isinstance(value, bytes) else b""
    return b""
