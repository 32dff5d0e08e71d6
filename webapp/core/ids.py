"""Identifiers that leave the house: UUIDv7 (RFC 9562, 5.7), and their short form."""

import base64
import uuid

import uuid_utils
import uuid_utils.compat

BASE32_LENGTH = 26


def uuid7() -> uuid.UUID:
    """Return a new identifier; later ones sort after earlier ones."""
    return uuid_utils.compat.uuid7()


def uuid7_number() -> int:
    """Return a new identifier as a number.

    For who makes a million: an eighth of the time that `uuid.UUID` takes.
    """
    return uuid_utils.uuid7().int


def base32(value: uuid.UUID) -> str:
    """Return 26 lower-case characters that fit in a local part (RFC 4648 section 6).

    Examples
    --------
    >>> base32(uuid.UUID(int=0))
    'aaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    return base32_digits(value.int << 2, BASE32_LENGTH)


def base32_digits(number: int, length: int) -> str:
    """Return a number in the digits of base 32, an even count of them.

    Six times as fast as `base64.b32encode`, and each message needs several.

    Examples
    --------
    >>> base32_digits(1 << 5 | 31, 4)
    'aab7'
    """
    return "".join(
        [_PAIRS[number >> shift & 1023] for shift in range(5 * length - 10, -1, -10)]
    )


_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]


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
