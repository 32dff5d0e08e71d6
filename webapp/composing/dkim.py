"""DKIM: the From domain's signature over the finished bytes of a message.

A pure function from bytes to bytes (RFC 6376; Ed25519: RFC 8463), relaxed/relaxed: what
relays do to white space does not break it. It comes last, when nothing is added any
more, and stands first.

What may stand only once is named in ``h=`` once more than it stands: a second From or
Subject that somebody puts in on the way breaks the signature (RFC 6376 8.15). Both
headers of one-click unsubscribing are named too, as RFC 8058 4 asks.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from webapp.composing.mime import Composed
from webapp.composing.wire import Gated, Octets

RSA_BITS = 2048
_RSA_EXPONENT = 65537
_TXT_PIECE = 255  # octets of one character-string, RFC 1035 3.3
_FOLD = 72
ONCE = (
    *("from", "to", "cc", "subject", "date", "reply-to", "message-id"),
    *("in-reply-to", "references", "sender", "mime-version", "content-type"),
)
SIGNED = (
    *ONCE,
    *("content-transfer-encoding", "content-id", "content-description"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help"),
    *("list-subscribe", "list-post", "list-owner", "list-archive"),
    *("feedback-id", "auto-submitted", "precedence", "importance"),
    *("resent-from", "resent-to", "resent-cc", "resent-date", "resent-message-id"),
)
_SPACES = re.compile(rb"[ \t]+")
_FOLDED = re.compile(rb"\r\n(?=[ \t])")
_END_SPACES = re.compile(rb"[ \t]+(?=\r\n)")
_TAG_SPACES = re.compile(r"\s+")


class Algorithm(StrEnum):
    """How a key signs: the ``k=`` of its record."""

    RSA = "rsa"
    ED25519 = "ed25519"


PrivateKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """A loaded key, with the place where its public half is published."""

    domain: str
    selector: str
    algorithm: Algorithm
    private: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key as it is kept: the private half in PEM, the public one as in ``p=``."""

    private_pem: str = field(repr=False)
    public: str


def make(algorithm: Algorithm) -> KeyPair:
    """Make a key: RSA of 2048 bits, or Ed25519."""
    if algorithm is Algorithm.RSA:
        rsa = generate_private_key(_RSA_EXPONENT, RSA_BITS)
        spki = rsa.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return KeyPair(_pem(rsa), base64.b64encode(spki).decode())
    ed25519 = Ed25519PrivateKey.generate()
    raw = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return KeyPair(_pem(ed25519), base64.b64encode(raw).decode())


def load(private_pem: str, domain: str, selector: str) -> Signer:
    """Load a key for signing; one of RSA costs 45 ms, so keep what comes back.

    Raises
    ------
    ValueError
        If it is no private key of a kind that signs here.
    """
    private = load_pem_private_key(private_pem.encode(), password=None)
    if isinstance(private, RSAPrivateKey):
        return Signer(domain, selector, Algorithm.RSA, private)
    if isinstance(private, Ed25519PrivateKey):
        return Signer(domain, selector, Algorithm.ED25519, private)
    raise ValueError("DKIM signs with RSA and Ed25519 only")


def record_name(domain: str, selector: str) -> str:
    """Return the name of the TXT record (RFC 6376 3.6.2.1).

    Examples
    --------
    >>> record_name("example.org", "pr2026")
    'pr2026._domainkey.example.org'
    """
    return f"{selector}._domainkey.{domain}"


def record_text(algorithm: Algorithm, public: str) -> str:
    """Return what the TXT record says (RFC 6376 3.6.1).

    Examples
    --------
    >>> record_text(Algorithm.ED25519, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='
    """
    return f"v=DKIM1; k={algorithm.value}; p={public}"


def record_pieces(text: str) -> list[str]:
    """Return a TXT record in pieces of at most 255 octets, as zone files need them.

    Examples
    --------
    >>> [len(piece) for piece in record_pieces("p" * 400)]
    [255, 145]
    """
    return [text[at : at + _TXT_PIECE] for at in range(0, len(text), _TXT_PIECE)]


def public_of_record(text: str) -> str | None:
    """Return the public key that a published record holds; None if it is no record.

    A revoked key is the empty text (RFC 6376 3.6.1).

    Examples
    --------
    >>> public_of_record("v=DKIM1; k=rsa;  p=MIIB Ijan")
    'MIIBIjan'
    >>> public_of_record("v=spf1 -all") is None
    True
    """
    tags = tags_of(text)
    if tags.get("v", "DKIM1") != "DKIM1":
        return None
    return tags.get("p")


def tags_of(text: str) -> dict[str, str]:
    """Return the tags of a tag list, without white space in the values (RFC 6376 3.2).

    Examples
    --------
    >>> tags_of("v=DMARC1; p=reject ; adkim=s;")
    {'v': 'DMARC1', 'p': 'reject', 'adkim': 's'}
    """
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {
        name.strip().lower(): _TAG_SPACES.sub("", value) for name, _, value in pairs
    }


def signed(composed: Composed, signers: Sequence[Signer], at: datetime) -> Composed:
    """Return a finished message with its signatures before it."""
    if not signers:
        return composed
    fields = signatures(composed.octets, signers, at)
    return replace(composed, octets=composed.octets.below(fields))


def signatures(octets: Octets, signers: Sequence[Signer], at: datetime) -> bytes:
    """Return the DKIM-Signature fields of a finished message, to be put before it.

    Parameters
    ----------
    octets
        Header fields and body; all header fields are in the first piece.
    signers
        One signature is made with each.
    at
        The time of signing, aware.
    """
    if not signers:
        return b""
    head, _, begun = octets.pieces[0].partition(b"\r\n\r\n")
    digest = sha256()
    for piece in relaxed_body((begun, *octets.pieces[1:])):
        digest.update(piece)
    hashed = base64.b64encode(digest.digest()).decode()
    names, covered = _covered(head)
    return b"".join(
        _signature(signer, names, covered, hashed, at) for signer in signers
    )


def relaxed_body(pieces: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    r"""Yield a body as it is hashed (RFC 6376 3.4.4); its pieces are whole lines.

    Empty lines count only where another follows them. The pieces are not copied.

    Examples
    --------
    >>> b"".join(relaxed_body([b" C \r\n\r\n", b"D \t E\r\n\r\n", b"\r\n"]))
    b' C\r\n\r\nD E\r\n'
    """
    ends = b""
    is_empty = True
    for piece in map(_relaxed_lines, pieces):
        end = len(piece) - 2
        if piece.endswith(b"\r\n\r\n"):
            end = len(piece.rstrip(b"\r\n"))
        if end > 0:
            yield ends
            yield memoryview(piece)[:end]
            ends, is_empty = b"", False
        ends += piece[max(end, 0) :]
    if not is_empty:
        yield b"\r\n"


def _relaxed_lines(lines: bytes) -> bytes:
    """Return whole lines without white space that does not count.

    Looking whether there is some to change is far cheaper than changing it: the base64
    of an attachment holds none.
    """
    if type(lines) is Gated and lines.is_tidy:
        return lines
    if b"\t" in lines or b"  " in lines:
        lines = _SPACES.sub(b" ", lines)
    if b" \r\n" in lines:
        lines = _END_SPACES.sub(b"", lines)
    return lines


def relaxed_field(line: bytes) -> bytes:
    r"""Return one header field, without its last CRLF, as it is hashed.

    The rules are those of RFC 6376 3.4.2.

    Examples
    --------
    >>> relaxed_field(b"SUBJect :  Hello\r\n\t world  ")
    b'subject:Hello world'
    """
    name, _, value = line.partition(b":")
    value = _SPACES.sub(b" ", _FOLDED.sub(b"", value)).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value


def _covered(head: bytes) -> tuple[list[str], bytes]:
    """Return the names for ``h=`` and the canonical fields, in that order.

    Of several fields with one name the last comes first (RFC 6376 5.4.2).
    """
    found: dict[str, list[bytes]] = {}
    for line in header_fields(head):
        name = line.partition(b":")[0].strip().lower().decode("ascii", "replace")
        found.setdefault(name, []).append(line)
    names: list[str] = []
    lines: list[bytes] = []
    for name in SIGNED:
        present = found.get(name, [])
        names += [name] * (len(present) + (name in ONCE and bool(present)))
        lines += [relaxed_field(line) for line in reversed(present)]
    return names, b"".join(line + b"\r\n" for line in lines)


def header_fields(head: bytes) -> Iterator[bytes]:
    r"""Yield the header fields of a block, each with its folds, without the last CRLF.

    Examples
    --------
    >>> list(header_fields(b"A: 1\r\n 2\r\nB: 3"))
    [b'A: 1\r\n 2', b'B: 3']
    """
    start = 0
    for end in re.finditer(rb"\r\n(?![ \t])", head):
        yield head[start : end.start()]
        start = end.end()
    if start < len(head):
        yield head[start:]


def _signature(
    signer: Signer, names: Iterable[str], covered: bytes, hashed: str, at: datetime
) -> bytes:
    """Return one DKIM-Signature field with its CRLF."""
    tags = [
        "v=1;",
        f"a={signer.algorithm.value}-sha256;",
        "c=relaxed/relaxed;",
        f"d={signer.domain};",
        f"s={signer.selector};",
        f"t={int(at.timestamp())};",
        *f"h={' :'.join(names)};".split(" "),
        f"bh={hashed};",
    ]
    unsigned = "\r\n ".join(_lines("DKIM-Signature:", tags)) + "\r\n b="
    made = _sign(signer, covered + relaxed_field(unsigned.encode()))
    text = base64.b64encode(made).decode()
    pieces = [text[at : at + _FOLD] for at in range(0, len(text), _FOLD)]
    return (unsigned + "\r\n  ".join(pieces) + "\r\n").encode()


def _lines(start: str, words: Iterable[str]) -> list[str]:
    """Lay words out in short lines; a longer one has a line of its own."""
    lines = [start]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _FOLD and lines[-1] != start:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines


def _sign(signer: Signer, covered: bytes) -> bytes:
    """Sign; Ed25519 signs the digest of it (RFC 8463 3)."""
    if isinstance(signer.private, Ed25519PrivateKey):
        return signer.private.sign(sha256(covered).digest())
    return signer.private.sign(covered, PKCS1v15(), SHA256())


def _pem(private: PrivateKey) -> str:
    return private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ).decode()
