"""Ask another server over HTTPS: one request, no redirect, with caps.

The host passes the same check as every other one (`webapp.core.net`), and the answer is
read up to a limit. There is no plain HTTP here.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from webapp.core import net
from webapp.core.net import NO_PRIVATE_HOSTS, NetError, NetTrouble, PrivateHosts

SECONDS = 10.0
LARGEST_ANSWER = 256 * 1024


@dataclass(frozen=True)
class Answer:
    """What the server said: the status, and the body up to the limit."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty one if it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def host_of(url: str) -> str:
    """Return the host of an HTTPS address, as it is looked up.

    Raises
    ------
    NetError
        If it is no HTTPS address, or holds a login.

    Examples
    --------
    >>> host_of("https://login.example.com/token")
    'login.example.com'
    """
    return _parts(url)[0]


def post_form(
    url: str,
    fields: Mapping[str, str],
    *,
    allowed: PrivateHosts = NO_PRIVATE_HOSTS,
    ca_pem: str = "",
) -> Answer:
    """Post a form and return the answer, whatever its status is.

    Raises
    ------
    NetError
        As `webapp.core.net` does; ``connect`` too if the answer is no HTTP, is larger
        than `LARGEST_ANSWER`, or a redirect.
    """
    host, port, target = _parts(url)
    pinned = net.resolve(host, port, allowed)
    opened = net.connect(pinned, connect_seconds=SECONDS, read_seconds=SECONDS)
    line = http.client.HTTPConnection(host, port, timeout=SECONDS)
    line.sock = net.start_tls(opened, host, net.tls_context(ca_pem or None))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    try:
        with net.cut_after(SECONDS, line.sock):
            line.request("POST", target, urlencode(fields), headers)
            answer = line.getresponse()
            body = answer.read(LARGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as error:
        words = f"{host} did not answer as a web server does."
        raise NetError(NetTrouble.CONNECT, words) from error
    finally:
        line.close()
    if len(body) > LARGEST_ANSWER or 300 <= answer.status < 400:  # noqa: PLR2004 - the redirects of RFC 9110 15.4
        words = f"{host} answered with something that is not taken."
        raise NetError(NetTrouble.CONNECT, words)
    return Answer(answer.status, body)


def _parts(url: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise NetError(NetTrouble.DNS, "This is not an address.") from error
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        words = "Write an address that begins with https:// and holds no login."
        raise NetError(NetTrouble.DNS, words)
    if any(letter in url for letter in " \r\n\0"):
        raise NetError(NetTrouble.DNS, "An address holds no spaces or line breaks.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return net.host_name(parts.hostname), port, target
