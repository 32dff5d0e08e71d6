"""An ``.eml`` given to be sent as it is: found, looked at, kept.

For single messages only: what goes to many carries each recipient's own address and way
to unsubscribe, and a file that is the same for all can have neither.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from webapp.campaigns import uploads
from webapp.composing import as_it_is
from webapp.composing.addresses import written
from webapp.composing.as_it_is import AsItIs
from webapp.composing.letter import ComposeError
from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _

FIELDS = ("raw", "raw_upload_id")


def is_given(values: Mapping[str, Any]) -> bool:
    """Say whether a message is given as it is, and not by its fields."""
    return any(values.get(name) for name in FIELDS)


def look(values: Mapping[str, Any], message_id: str) -> AsItIs:
    """Return what would leave, and what is otherwise than in the file.

    Parameters
    ----------
    message_id
        For a message that has none.

    Raises
    ------
    Invalid
        If there is no such file, or it cannot be sent as it is; naming the field.
    """
    field = next(name for name in FIELDS if values.get(name))
    try:
        return as_it_is.read(_content(field, values[field]), message_id, now())
    except (ComposeError, NotFound) as error:
        raise _wrong(field, error.words) from error
    except (binascii.Error, ValueError) as error:
        words = _("This must be base64 (RFC 4648 section 4).")
        raise _wrong(field, words) from error


def bodies_of(made: AsItIs, envelope_from: str | None) -> dict[str, Any]:
    """Return what the row of the message keeps; the octets are stored once."""
    bodies: dict[str, Any] = {
        "raw": blobs.put(made.data),
        "from": written(made.from_),
        "subject": made.subject,
        "notes": list(made.notes),
    }
    for kind in ("to", "cc", "bcc"):
        bodies[kind] = [written(box) for box in getattr(made, kind)]
    path = envelope_from if envelope_from is not None else made.envelope_from
    if path is not None:
        bodies["envelope_from"] = path
    return bodies


def _content(field: str, value: str) -> bytes:
    if field == "raw":
        return base64.b64decode(value, validate=True)
    return b"".join(blobs.read(uploads.get(uploads.id_of(value)).sha256))


def _wrong(field: str, words: str) -> Invalid:
    return Invalid(_("Some values need your attention."), {field: [words]})
