"""Access tokens for mailboxes that sign in by XOAUTH2 instead of a password.

An operator registers an application with the provider and gives us its client id and a
refresh token (RFC 6749 6). What is sealed is that token and the client secret; access
tokens live in memory only, and a new one is asked for a minute before it ends.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from webapp.core import https
from webapp.core.https import Answer
from webapp.core.net import NO_PRIVATE_HOSTS, NetError, PrivateHosts
from webapp.core.one_line import one_line
from webapp.mailboxes.imap_errors import SignInRefused, Unreachable

#: A token is not used in its last seconds: the mail server's clock is another one.
MARGIN_SECONDS = 60.0
SHORTEST_SECONDS = 30.0
USUAL_SECONDS = 3600.0
MOST_KEPT = 200

WORDS_REFUSED = (
    "The provider no longer accepts the refresh token. Give a new one, or ask whether "
    "the application was removed or its secret has expired."
)
WORDS_ODD = "The provider's answer holds no access token."


@dataclass(frozen=True)
class Grant:
    """What access tokens are asked for with."""

    token_url: str
    client_id: str
    scope: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    ca_pem: str = ""
    private: PrivateHosts = NO_PRIVATE_HOSTS

    @property
    def secret(self) -> str:
        """What is to be sealed."""
        return json.dumps([self.client_secret, self.refresh_token])


@dataclass
class _Kept:
    token: str
    since: float
    until: float


_kept: dict[Grant, _Kept] = {}
_lock = threading.Lock()


def token_for(grant: Grant, rotated: Callable[[str], None], refused: str = "") -> str:
    """Return an access token that holds for a while.

    Parameters
    ----------
    refused
        A token that a mail server has just refused. It may have ended sooner than was
        said, so another one is asked for, unless it is only a moment old.
    rotated
        Is told a new refresh token when the provider gives one: the old one may have
        ended with this very answer.

    Raises
    ------
    SignInRefused
        If the provider refuses the refresh token or the client.
    Unreachable
        If the provider cannot be asked just now.
    """
    with _lock:
        have = _kept.get(grant)
        if have is not None and _holds(have, refused):
            return have.token
    answer = _ask(grant)
    data = answer.json()
    token = data.get("access_token")
    if not isinstance(token, str) or not _is_token(token):
        raise _trouble(answer, data)
    seconds = _number(data.get("expires_in"))
    since = time.monotonic()
    until = since + max(seconds - MARGIN_SECONDS, SHORTEST_SECONDS)
    with _lock:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[grant] = _Kept(token, since, until)
    fresh = data.get("refresh_token")
    if isinstance(fresh, str) and fresh and fresh != grant.refresh_token:
        rotated(fresh)
    return token


def _holds(have: _Kept, refused: str) -> bool:
    at = time.monotonic()
    is_new = at - have.since < MARGIN_SECONDS
    return have.until > at and (have.token != refused or is_new)


def opened(secret: str) -> tuple[str, str]:
    """Return client secret and refresh token of what was sealed."""
    client_secret, refresh_token = json.loads(secret)
    return str(client_secret), str(refresh_token)


def sasl(login: str, token: str) -> bytes:
    r"""Return the answer to AUTHENTICATE XOAUTH2.

    >>> sasl("ada@example.com", "t0k")
    b'user=ada@example.com\x01auth=Bearer t0k\x01\x01'
    """
    return f"user={login}\1auth=Bearer {token}\1\1".encode()


def _ask(grant: Grant) -> Answer:
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": grant.refresh_token,
        "client_id": grant.client_id,
    }
    if grant.client_secret:
        fields["client_secret"] = grant.client_secret
    if grant.scope:
        fields["scope"] = grant.scope
    try:
        return https.post_form(
            grant.token_url, fields, allowed=grant.private, ca_pem=grant.ca_pem
        )
    except NetError as error:
        raise Unreachable(error.words, step="sign in") from error


def _trouble(answer: Answer, data: dict[str, Any]) -> Exception:
    """Return what an answer without a token means (RFC 6749 5.2)."""
    code = one_line(str(data.get("error", "")), 60)
    said = one_line(str(data.get("error_description", "")), 200)
    if answer.status in {400, 401, 403} and code:
        return SignInRefused(WORDS_REFUSED, f"{code} {said}".strip())
    return Unreachable(WORDS_ODD, step="sign in")


def _is_token(token: str) -> bool:
    return 0 < len(token) < 16_384 and token.isascii() and token.isprintable()  # noqa: PLR2004 - longer than any seen


def _number(value: object) -> float:
    """Return for how many seconds a token holds; an hour if nobody says it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return USUAL_SECONDS
    try:
        return min(max(float(value), 0.0), 24 * USUAL_SECONDS)
    except ValueError:
        return USUAL_SECONDS
