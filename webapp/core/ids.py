"""Identifiers that leave the house: UUIDv7 (RFC 9562, 5.7), and their short form."""

import base64
import uuid

import uuid_utils.compat

BASE32_LENGTH = 26


def uuid7() -> uuid.UUID:
    """Return a new identifier; later ones sort after earlier ones."""
    return uuid_utils.compat.uuid7()


def base32(value: uuid.UUID) -> str:
    """Return 26 lower-case characters that fit in a local part (RFC 4648 section 6).

    Examples
    --------
    >>> base32(uuid.UUID(int=0))
    'aaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    return base64.b32encode(value.bytes).decode().rstrip("=").lower()


def from_base32(text: str) -> uuid.UUID:
    """Return the identifier of a short form, whatever its case.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> from_base32("AAAAAAAAAAAAAAAAAAAAAAAAAA")
    UUID('00000000-0000-0000-0000-000000000000')
    """
    if len(text) != BASE32_LENGTH:
        raise ValueError("not an identifier")
    return uuid.UUID(bytes=base64.b32decode(text.upper() + "======"))
