"""A mailbox in one line: ``imaps://user:password@host:port``. Pure.

Login and password are percent-encoded (RFC 3986 2.1); ``imaps`` means TLS on port 993,
``imap`` means STARTTLS on port 143. This form cannot ask for a plain connection.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

PORTS = {"imaps": 993, "imap": 143}
SECURITY = {"imaps": "tls", "imap": "starttls"}

_LINE = re.compile(
    r"(?P<scheme>imaps?)://(?:(?P<login>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/@?#\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class AddressLineError(ValueError):
    """The line cannot be read; `words` says what is missing."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True)
class AddressLine:
    """The parts of the line, decoded."""

    host: str
    port: int
    security: str
    login: str
    password: str = field(repr=False)


def parse(text: str) -> AddressLine:
    """Read the line.

    Raises
    ------
    AddressLineError
        If it is not one.

    Examples
    --------
    >>> line = parse("imaps://ada%40example.com:p%3Ass@mail.example.com")
    >>> line.host, line.port, line.security, line.login, line.password
    ('mail.example.com', 993, 'tls', 'ada@example.com', 'p:ss')
    >>> parse("imap://[2001:db8::1]:1143").host
    '2001:db8::1'
    """
    found = _LINE.fullmatch(text.strip())
    if not found:
        raise AddressLineError(
            "Write imaps://login:password@host:port, with @ : / in login or password "
            "as %40 %3A %2F."
        )
    scheme = found["scheme"].lower()
    port = int(found["port"] or PORTS[scheme])
    if not 0 < port < 65536:  # noqa: PLR2004 - the range of a TCP port
        raise AddressLineError(f"{port} is not a port.")
    return AddressLine(
        host=found["host"].strip("[]"),
        port=port,
        security=SECURITY[scheme],
        login=_decoded(found["login"] or ""),
        password=_decoded(found["password"] or ""),
    )


def _decoded(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise AddressLineError("A % needs two hex digits behind it; a plain % is %25.")
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise AddressLineError("The percent-encoding is not UTF-8.") from error
    if any(letter in decoded for letter in "\r\n\0"):
        raise AddressLineError("Login and password cannot hold line breaks or NUL.")
    return decoded
