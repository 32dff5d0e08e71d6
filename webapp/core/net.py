"""The one door for outgoing connections: names are resolved once, checked, and pinned.

A host field is a request to connect, made by whoever may edit a sender or a mailbox. So
no other module opens a socket. The trap is time and spelling: a name may answer with a
public address when it is checked and with a private one when it is used, and there are
many ways to write 127.0.0.1. Hence one resolution, a check of *every* answer, and a
connection to exactly the address that was checked, with TLS verified against the name
that the operator wrote.

Nothing here repeats what a server said: an error is our own sentence, never a banner.
"""

import os
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Self

import idna

from webapp.core.public_internet import Address, is_public

CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0

Network = IPv4Network | IPv6Network


class NetTrouble(StrEnum):
    """What kept us from a usable connection."""

    DNS = "dns"
    REFUSED_ADDRESS = "refused_address"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    TLS = "tls"


class NetError(Exception):
    """A connection that did not come about.

    Attributes
    ----------
    kind
        Which step failed.
    words
        One sentence for an operator. It names the host as it was written and never
        quotes the other side.
    """

    def __init__(self, kind: NetTrouble, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


@dataclass(frozen=True)
class PrivateHosts:
    """The private hosts that this installation may talk to.

    ``names`` are host names, ``networks`` are addresses and CIDR networks,
    ``endpoints`` are single (address, port) pairs such as the practice servers'.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    endpoints: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the comma list of ``ALLOWED_PRIVATE_HOSTS``.

        Raises
        ------
        ValueError
            If an entry is neither a host name, an address nor a network.

        Examples
        --------
        >>> hosts = PrivateHosts.parse("mail.lan, 10.1.0.0/16, ::1")
        >>> hosts.names, [str(network) for network in hosts.networks]
        (frozenset({'mail.lan'}), ['10.1.0.0/16', '::1/128'])
        """
        names: set[str] = set()
        networks: list[Network] = []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            try:
                networks.append(ip_network(entry.strip("[]")))
            except ValueError:
                if "/" in entry:
                    raise ValueError(f"{entry} is not a network") from None
                try:
                    names.add(host_name(entry))
                except NetError as error:
                    raise ValueError(error.words) from None
        return cls(frozenset(names), tuple(networks))

    def with_endpoints(self, endpoints: Iterable[tuple[str, int]]) -> Self:
        """Permit these (address, port) pairs too, and no other port there."""
        return replace(self, endpoints=self.endpoints | frozenset(endpoints))

    def permit(self, host: str, address: Address, port: int) -> bool:
        """Say whether ``host``, which resolved to ``address``, is allowed."""
        return (
            host in self.names
            or any(address in network for network in self.networks)
            or (str(address), port) in self.endpoints
        )


NO_PRIVATE_HOSTS = PrivateHosts()


@dataclass(frozen=True)
class Pinned:
    """A host that was resolved and checked; only ``addresses`` may be connected to.

    ``private`` is true when every address is one that the allow-list permits.
    """

    host: str
    port: int
    addresses: tuple[str, ...]
    private: bool


def host_name(text: str) -> str:
    """Return a host as we look it up: an address, or a name in lower-case A-labels.

    Only real spellings pass. ``0x7f.1``, ``127.1`` and digits in other scripts are
    names to nobody but a resolver in a good mood, so they are refused here already.

    Raises
    ------
    NetError
        If it is neither (kind ``dns``).

    Examples
    --------
    >>> host_name("Bücher.Example."), host_name("[2001:DB8::1]"), host_name("127.0.0.1")
    ('xn--bcher-kva.example', '2001:db8::1', '127.0.0.1')
    >>> host_name("①②⑦.0.0.1")
    Traceback (most recent call last):
        ...
    webapp.core.net.NetError: “①②⑦.0.0.1” is not a host name.
    """
    bare = text.strip()
    literal = bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare
    if is_literal(literal):
        return str(ip_address(literal))
    name = bare.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").lower()
        except idna.IDNAError:
            name = ""
    if not _is_name(name):
        words = f"“{_shown(text)}” is not a host name."
        if "://" in bare:
            words = (
                f"Enter the name of the server, without “{bare.split(':')[0][:9]}://”."
            )
        raise NetError(NetTrouble.DNS, words)
    return name


def is_literal(host: str) -> bool:
    """Say whether a host is written as an address, which needs no resolver.

    Examples
    --------
    >>> is_literal("::1"), is_literal("mail.example")
    (True, False)
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def resolve(host: str, port: int, allowed: PrivateHosts = NO_PRIVATE_HOSTS) -> Pinned:
    """Resolve a host once and check every answer.

    One forbidden answer refuses the whole host: a name that mixes public and private
    addresses is a name that will change its mind.

    Raises
    ------
    NetError
        ``dns`` if the name is malformed or unknown, ``refused_address`` if an answer is
        not public and not allowed.
    """
    name = host_name(host)
    if not 0 < port < 65536:  # noqa: PLR2004 - the range of a TCP port
        words = f"{name} has no port {port}. Is the server running?"
        raise NetError(NetTrouble.CONNECT, words)
    addresses = _look_up(name, port)
    permitted = [allowed.permit(name, address, port) for address in addresses]
    for address, is_permitted in zip(addresses, permitted, strict=True):
        if not is_permitted and not is_public(address):
            raise NetError(
                NetTrouble.REFUSED_ADDRESS,
                f"“{_shown(host)}” leads to an address that is not public. "
                "If this server is yours, add it to ALLOWED_PRIVATE_HOSTS.",
            )
    return Pinned(name, port, tuple(map(str, addresses)), private=all(permitted))


def connect(
    pinned: Pinned,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
) -> socket.socket:
    """Open a TCP connection to one of the pinned addresses, tried in order.

    The socket has TCP_NODELAY, and ``read_seconds`` as its time-out.

    Raises
    ------
    NetError
        ``timeout`` or ``connect``; of several addresses, the last one's.
    """
    trouble = NetError(NetTrouble.CONNECT, f"{pinned.host} has no address.")
    for address in pinned.addresses:
        try:
            opened = socket.create_connection(
                (address, pinned.port), timeout=connect_seconds
            )
        except TimeoutError:
            words = (
                f"{pinned.host} port {pinned.port} did not answer "
                f"within {connect_seconds:g} seconds."
            )
            trouble = NetError(NetTrouble.TIMEOUT, words)
        except OSError as error:
            trouble = NetError(NetTrouble.CONNECT, _connect_words(pinned, error))
        else:
            opened.settimeout(read_seconds)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
    raise trouble


@lru_cache(maxsize=64)
def tls_context(ca_pem: str | None = None) -> ssl.SSLContext:
    """Return a context that always verifies chain and name; there is no way around it.

    With ``ca_pem`` (PEM text) exactly those certificates are trusted, otherwise the
    system's. Contexts are cached: reading the system's store costs milliseconds.

    Raises
    ------
    NetError
        If ``ca_pem`` holds no certificate (kind ``tls``).
    """
    if not ca_pem:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: not ASCII
        words = "The CA file holds no certificate in PEM form."
        raise NetError(NetTrouble.TLS, words) from None
    if not context.get_ca_certs() and not context.cert_store_stats()["x509"]:
        raise NetError(NetTrouble.TLS, "The CA file holds no certificate in PEM form.")
    # Somebody who hands us a server's own certificate means just that one.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def start_tls(sock: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Put TLS on a connection, verified against the name that the operator wrote.

    Closes the socket when it fails.

    Raises
    ------
    NetError
        ``tls`` with the reason in words, or ``timeout``.
    """
    name = host_name(host)
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except TimeoutError:
        trouble = NetError(
            NetTrouble.TIMEOUT, f"{name} did not finish the TLS handshake in time."
        )
    except ssl.SSLCertVerificationError as error:
        trouble = NetError(NetTrouble.TLS, _certificate_words(name, error.verify_code))
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        words = f"{name} does not speak TLS as we do (TLS 1.2 or later) on this port."
        trouble = NetError(NetTrouble.TLS, words)
    sock.close()
    raise trouble


@contextmanager
def cut_after(seconds: float, opened: socket.socket) -> Iterator[None]:
    """Cut a connection that takes longer in all than a block may.

    The time-out of a socket starts anew with each octet, and a server may drip. The
    twin also reaches the connection while TLS takes the socket over.
    """
    twin = socket.socket(fileno=os.dup(opened.fileno()))

    def cut() -> None:
        with suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    deadline = threading.Timer(seconds, cut)
    deadline.daemon = True
    deadline.start()
    try:
        yield
    finally:
        deadline.cancel()
        twin.close()


_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def _is_name(name: str) -> bool:
    """Say whether ``name`` is a host name of RFC 1123, and not a number in disguise."""
    labels = name.split(".")
    if len(name) > 253 or labels[-1].isdigit() or labels[-1].startswith("0x"):  # noqa: PLR2004 - RFC 1035 2.3.4
        return False
    return all(
        0 < len(label) < 64  # noqa: PLR2004 - RFC 1035 2.3.4
        and _LABEL.issuperset(label)
        and label[0] != "-"
        and label[-1] != "-"
        for label in labels
    )


def _look_up(name: str, port: int) -> tuple[Address, ...]:
    """Ask the resolver once; every answer, in its order, none twice."""
    try:
        answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # socket.gaierror is an OSError
        words = f"The name {name} could not be found. Check the spelling and DNS."
        raise NetError(NetTrouble.DNS, words) from None
    found = dict.fromkeys(ip_address(answer[4][0]) for answer in answers)
    if not found:
        raise NetError(NetTrouble.DNS, f"The name {name} has no address.")
    return tuple(found)


def _connect_words(pinned: Pinned, error: OSError) -> str:
    """Say in our words why the connection was not made."""
    if isinstance(error, ConnectionRefusedError):
        return f"Nothing answers at {pinned.host} port {pinned.port}."
    return f"{pinned.host} port {pinned.port} cannot be reached from here."


_CERTIFICATE_WORDS = {
    9: "The certificate of {host} is not valid yet.",
    10: "The certificate of {host} has expired.",
    18: "{host} shows a certificate that it signed itself. Add it as the CA file.",
    19: "The certificate of {host} comes from a CA that is not trusted here. "
    "If it is your own, add it as the CA file.",
    20: "The certificate of {host} comes from a CA that is not trusted here. "
    "If it is your own, add it as the CA file.",
    21: "{host} does not send the certificates between its own and the CA.",
    62: "The certificate is for another name than {host}.",
    64: "The certificate is for another address than {host}.",
}


def _certificate_words(host: str, verify_code: int) -> str:
    """Say in words what OpenSSL's X509_V_ERR number means."""
    words = _CERTIFICATE_WORDS.get(
        verify_code, "The certificate of {host} could not be verified."
    )
    return words.format(host=host)


def _shown(text: str) -> str:
    """Return an operator's input, short and printable."""
    return "".join(char if char.isprintable() else "�" for char in text)[:80]
