"""How to reach and enter one SMTP server: plain values."""

from dataclasses import dataclass, field
from enum import StrEnum


class Security(StrEnum):
    """How a connection is protected; independent of the port.

    ``STARTTLS`` means required: where the server does not offer it, nothing is sent.
    """

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Server:
    """One SMTP server; no ``login`` means no authentication.

    ``ca_pem`` is the only authority trusted, if given. The password is in no ``repr``.
    """

    host: str
    port: int
    security: Security
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_pem: str | None = None
