"""Short signed names of a message: in its Message-ID, bounce address and public links.

A token is the message's public id in base32, the key's id, and a MAC of both and the
purpose: 38 characters, of a local part's 64 (RFC 5321 4.5.3.1.1). Whoever shows a valid
one has seen that message; nothing else ties a mail to it.
"""

import hashlib
import hmac
import uuid
from collections.abc import Iterable
from functools import lru_cache

from webapp.core.ids import BASE32_LENGTH, base32_digits, from_base32

KEY_ID = "a"
MAC_LENGTH = 11
_BLOCK = 64
_KEPT = 1024
LENGTH = BASE32_LENGTH + len(KEY_ID) + MAC_LENGTH

# What a token is for; one of another purpose is none.
UNSUBSCRIBE = "unsubscribe"
VIEW = "view"
BOUNCE = "bounce"
MESSAGE_ID = "message-id"


# One message shows a token in several places, and some hundred are made at a time.
@lru_cache(maxsize=_KEPT)
def sign(key: bytes, public_id: uuid.UUID, purpose: str) -> str:
    """Return the token of a message for one purpose.

    Examples
    --------
    >>> token = sign(b"key", uuid.UUID(int=7), "unsubscribe")
    >>> len(token), read(b"key", token.upper(), "unsubscribe")
    (38, UUID('00000000-0000-0000-0000-000000000007'))
    >>> read(b"key", token, "bounce"), read(b"key", token[:-1] + "-", "unsubscribe")
    (None, None)
    """
    return sign_number(key, public_id.int, purpose)


def sign_number(key: bytes, public_id: int, purpose: str) -> str:
    """Return the token of a message whose public id is this number; see `sign`."""
    body = base32_digits(public_id << 2, BASE32_LENGTH) + KEY_ID
    return body + _mac(key, body, purpose)


def read(key: bytes, token: str, purpose: str) -> uuid.UUID | None:
    """Return the public id of the message whose token this is, or None."""
    token = token.lower()
    body, mac = token[: BASE32_LENGTH + 1], token[BASE32_LENGTH + 1 :]
    if not token.isascii() or body[BASE32_LENGTH:] != KEY_ID:
        return None
    if not hmac.compare_digest(mac, _mac(key, body, purpose)):
        return None
    try:
        return from_base32(body[:BASE32_LENGTH])
    except ValueError:
        return None


def read_by_any(keys: Iterable[bytes], token: str, purpose: str) -> uuid.UUID | None:
    """Return whose token this is, signed with any of the keys; or None."""
    found = (read(key, token, purpose) for key in keys)
    return next((public_id for public_id in found if public_id), None)


@lru_cache(maxsize=8)
def _halves(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Return HMAC-SHA-256 of a key as far as no message is needed (RFC 2104 2, 4).

    Setting it up anew costs OpenSSL six times as much as what is hashed then.
    """
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    padded = block.ljust(_BLOCK, b"\0")
    return (
        hashlib.sha256(bytes(octet ^ 0x36 for octet in padded)),
        hashlib.sha256(bytes(octet ^ 0x5C for octet in padded)),
    )


def _mac(key: bytes, body: str, purpose: str) -> str:
    inner, outer = _halves(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(f"{purpose}:{body}".encode())
    outer.update(inner.digest())
    digest = outer.digest()
    return base32_digits(int.from_bytes(digest[:8]) >> 4, MAC_LENGTH + 1)[:MAC_LENGTH]
