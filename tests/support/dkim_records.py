"""Verifying signatures as a receiver does: with dkimpy and the published records."""

import re

import dkim as dkimpy

from webapp.composing.dkim import (
    Algorithm,
    KeyPair,
    Signer,
    load,
    make,
    record_name,
    record_text,
)

# Made once: a key of RSA takes a while.
PAIRS: dict[Algorithm, KeyPair] = {one: make(one) for one in Algorithm}


def signer(algorithm: Algorithm, domain: str = "example.org") -> Signer:
    """Return a loaded key of a domain; its selector is the algorithm."""
    return load(PAIRS[algorithm].private_pem, domain, algorithm.value)


def records(domain: str = "example.org") -> dict[str, str]:
    """Return the records of those keys, by name."""
    return {
        record_name(domain, one.value): record_text(one, pair.public)
        for one, pair in PAIRS.items()
    }


def verified(data: bytes, published: dict[str, str]) -> list[bool]:
    """Return whether each DKIM-Signature of a message holds, the first first."""

    def ask(name: bytes | str, timeout: int = 5) -> str | None:
        del timeout
        text = name.decode() if isinstance(name, bytes) else name
        return published.get(text.rstrip("."))

    head = data.partition(b"\r\n\r\n")[0]
    count = len(re.findall(rb"^DKIM-Signature:", head, re.MULTILINE | re.IGNORECASE))
    return [_holds(data, number, ask) for number in range(count)]


def algorithms(data: bytes) -> list[str]:
    """Return the algorithm of each signature, the first first."""
    return re.findall(r"\ba=([a-z0-9]+)-sha256;", data.decode("utf-8", "replace"))


def signed_names(data: bytes) -> list[str]:
    """Return what the first signature names in ``h=``."""
    found = re.search(rb"h=(.*?);", data, re.DOTALL)
    assert found is not None
    return re.sub(r"\s", "", found[1].decode()).split(":")


def _holds(data: bytes, number: int, ask: object) -> bool:
    try:
        return bool(dkimpy.DKIM(data).verify(idx=number, dnsfunc=ask))
    except (dkimpy.DKIMException, ValueError):
        return False
