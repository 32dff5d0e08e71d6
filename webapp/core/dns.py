"""The one door to DNS: records of a name, asked with a bound on time.

Only what a page or a job asks for on purpose comes here; connections resolve names in
`webapp.core.net`. No answer, a refusal and a name server that is away are all the same
to a caller: it could not be asked.
"""

import time
from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.name
import dns.resolver

from webapp.core.words import _

QUERY_SECONDS = 2.5
ALL_SECONDS = 12.0
PORT = 53


class CannotAsk(Exception):
    """DNS gave no answer; ``words`` says so."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Asker:
    """Asks one name server, for a bounded time altogether.

    Parameters
    ----------
    server
        ``address`` or ``address:port`` (IPv6 in brackets); empty for the resolvers
        that this machine knows.

    Raises
    ------
    CannotAsk
        If the machine knows none.
    """

    def __init__(
        self, server: str = "", *, seconds: float = QUERY_SECONDS, most: float = 0.0
    ) -> None:
        try:
            self._resolver = dns.resolver.Resolver(configure=not server)
        except dns.resolver.NoResolverConfiguration as error:
            raise CannotAsk(_("This machine knows no DNS resolver.")) from error
        if server:
            address, port = server_address(server)
            self._resolver.nameservers = [address]
            self._resolver.port = port
        self._seconds = seconds
        self._until = time.monotonic() + (most or ALL_SECONDS)

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name, each with its pieces joined.

        Raises
        ------
        CannotAsk
            If there is no answer; that there is no record is one.
        """
        return [
            b"".join(record.strings).decode("utf-8", "replace")
            for record in self._records(name, "TXT")
        ]

    def addresses(self, name: str) -> list[str]:
        """Return the IPv4 and IPv6 addresses of a host.

        Raises
        ------
        CannotAsk
            If there is no answer.
        """
        return [
            str(record.address)
            for kind in ("A", "AAAA")
            for record in self._records(name, kind)
        ]

    def mail_hosts(self, name: str) -> list[str]:
        """Return the hosts that take mail for a domain.

        Raises
        ------
        CannotAsk
            If there is no answer.
        """
        found = sorted(
            (record.preference, str(record.exchange).rstrip("."))
            for record in self._records(name, "MX")
        )
        return [host for _preference, host in found if host]

    def _records(self, name: str, kind: str) -> list[Any]:
        left = self._until - time.monotonic()
        if left <= 0:
            raise CannotAsk(_("DNS answers too slowly."))
        try:
            answer = self._resolver.resolve(
                dns.name.from_text(name),
                kind,
                lifetime=min(self._seconds, left),
                search=False,
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.YXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            words = _("DNS gave no answer about %(name)s.", name=name)
            raise CannotAsk(words) from error
        return list(answer)


def server_address(text: str) -> tuple[str, int]:
    """Return address and port of a name server.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> server_address("127.0.0.1:5353"), server_address("[::1]:53")
    (('127.0.0.1', 5353), ('::1', 53))
    >>> server_address("9.9.9.9"), server_address("::1")
    (('9.9.9.9', 53), ('::1', 53))
    """
    address, port = text, str(PORT)
    if text.startswith("[") or text.count(":") == 1:
        address, _colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the range of a port
        raise ValueError(f"{port} is no port")
    return str(ip_address(address.strip("[]"))), int(port)
