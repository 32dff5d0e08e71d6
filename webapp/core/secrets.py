"""Secrets at rest: sealed with AES-256-GCM, bound to the place that they belong to.

A sealed text is ``v1.<key id>.<nonce><ciphertext>`` in base64. The place (table, row,
column and what it is bound to, such as a host name) is authenticated, so that a sealed
password that is copied to another row, or used for another host, does not open.
"""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

NONCE_BYTES = 12
VERSION = "v1"


class CannotUnseal(Exception):
    """The text was sealed with another key or for another place."""


def derive(secret_key: bytes, purpose: str, length: int = 32) -> bytes:
    """Return a key for one purpose (HKDF, RFC 5869)."""
    return HKDF(SHA256(), length, salt=None, info=purpose.encode()).derive(secret_key)


def seal(plain: str, *, table: str, row: object, column: str, bound: str = "") -> str:
    """Seal a secret for one place."""
    key = _keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    place = _place(table, row, column, bound)
    data = AESGCM(key).encrypt(nonce, plain.encode(), place)
    body = base64.urlsafe_b64encode(nonce + data).decode()
    return f"{VERSION}.{_key_id(key)}.{body}"


def unseal(
    sealed: str, *, table: str, row: object, column: str, bound: str = ""
) -> str:
    """Open a secret.

    Raises
    ------
    CannotUnseal
        If the key or the place is another one, or the text is damaged.
    """
    try:
        version, key_id, body = sealed.split(".")
        data = base64.urlsafe_b64decode(body)
    except ValueError as error:
        raise CannotUnseal("damaged") from error
    key = next((one for one in _keys() if _key_id(one) == key_id), None)
    if version != VERSION or key is None:
        raise CannotUnseal("sealed with another key")
    place = _place(table, row, column, bound)
    try:
        plain = AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place)
    except InvalidTag as error:
        raise CannotUnseal("sealed for another place") from error
    return plain.decode()


def is_sealed_anew(sealed: str) -> bool:
    """Say whether a text was sealed with the key in use, and not with an older one."""
    return sealed.startswith(f"{VERSION}.{_key_id(_keys()[0])}.")


def token_hash(token: str) -> str:
    """Return what is stored of a random token: its keyed digest, in hex."""
    return token_hashes(token)[0]


def token_hashes(token: str) -> list[str]:
    """Return what may be stored of a token: by the key in use, and by older ones."""
    return [
        hmac.new(derive(key, "tokens"), token.encode(), hashlib.sha256).hexdigest()
        for key in master_keys()
    ]


def master_keys() -> tuple[bytes, ...]:
    """Return the secret keys of this installation, the one in use first."""
    settings = current_app.config["POSTROOM"]
    return (settings.secret_key, *settings.old_secret_keys)


def _keys() -> list[bytes]:
    return [derive(key, "seal") for key in master_keys()]


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key id" + key).hexdigest()[:8]


def _place(table: str, row: object, column: str, bound: str) -> bytes:
    return "\x1f".join((table, str(row), column, bound)).encode()
