"""A little DNS server on loopback, so that nobody outside is ever asked."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.ports import free_port

SMALLEST = 512


class DnsServer:
    """Answers from a table by UDP and TCP.

    Parameters
    ----------
    table
        ``(name, type)`` to the records as a zone file writes them.
    silent
        Names about which nothing is answered at all.
    broken
        Whether everything is answered with SERVFAIL.
    """

    def __init__(
        self,
        table: Mapping[tuple[str, str], Sequence[str]],
        *,
        silent: Sequence[str] = (),
        broken: bool = False,
    ) -> None:
        self.table = dict(table)
        self.silent, self.broken = silent, broken
        self.asked: list[tuple[str, str]] = []
        self.port = free_port()

    @property
    def address(self) -> str:
        """The setting that leads here."""
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes, most: int) -> bytes | None:
        """Return the answer to one question; truncated where it is too long."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        records = self.table.get((name, kind), ())
        if self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            reply.answer.append(
                dns.rrset.from_text(question.name, 60, "IN", kind, *records)
            )
        elif not any(known == name for known, _kind in self.table):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        whole = reply.to_wire()
        if len(whole) <= most:
            return whole
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC
        return short.to_wire()

    def serve_udp(self, sock: socket.socket) -> None:
        """Answer datagrams until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                wire, asker = sock.recvfrom(4096)
                if not wire:
                    return
                answer = self.answer(wire, SMALLEST)
                if answer is not None:
                    sock.sendto(answer, asker)

    def serve_tcp(self, sock: socket.socket) -> None:
        """Answer connections until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _asker = sock.accept()
                with connection:
                    (length,) = struct.unpack("!H", connection.recv(2))
                    answer = self.answer(connection.recv(length), 65535)
                    if answer is not None:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)


@contextlib.contextmanager
def running(server: DnsServer) -> Iterator[DnsServer]:
    """Serve on a free loopback port, and stop."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", server.port))
    tcp = socket.create_server(("127.0.0.1", server.port))
    threads = [
        threading.Thread(target=server.serve_udp, args=(udp,), daemon=True),
        threading.Thread(target=server.serve_tcp, args=(tcp,), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        for sock in (udp, tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in threads:
            thread.join(5)


def txt(text: str) -> str:
    """Return a TXT record as a zone file writes it, in pieces."""
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)]
    return " ".join(f'"{piece}"' for piece in pieces)
