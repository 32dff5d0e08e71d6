"""Settings, read once from the environment; a wrong value stops the start and is named.

Every setting is described in the README. Nothing else in the program reads the
environment.
"""

import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import sqlalchemy as sa

KEY_BYTES = 32
KEY_FILE = "secret.key"
KEY_MODE = 0o600
DIR_MODE = 0o700
CONNECT_SECONDS = 10
DEFAULT_PORT = 8000
DNS_PORT = 53
LAST_PORT = 65535
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"({LABEL}\.)*(?![0-9]+$|0[xX]){LABEL}")


class SettingsError(ValueError):
    """A setting is wrong; the text names it and says what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an installation can choose.

    Attributes
    ----------
    data_dir
        Where the database, the key file and the embedded queue live.
    database_url
        SQLAlchemy URL; SQLite or PostgreSQL (psycopg 3).
    redis_url
        ``None`` means: start the embedded one.
    base_url
        Public address, in every link of every mail; never taken from a request.
    secret_key
        At least 32 octets; sessions, tokens and sealed secrets hang on it.
    old_secret_keys
        Those before it: what they sealed still opens, what they signed still counts.
    secret_key_file
        Where they are; ``None`` if the key is in the environment.
    allowed_private_hosts
        Host names, addresses or networks that senders and mailboxes may be on
        although they are private.
    trusted_proxies
        Number of reverse proxies in front of the web server.
    dns_server
        Who is asked about SPF, DKIM and DMARC; empty for this machine's resolvers.
    soft_bounces
        So many messages that bounced softly within 30 days suppress an address.
    """

    data_dir: Path
    database_url: str
    redis_url: str | None
    base_url: str
    secret_key: bytes = field(repr=False)
    old_secret_keys: tuple[bytes, ...] = field(default=(), repr=False)
    secret_key_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    web_workers: int = 2
    send_workers: int = 2
    practice: bool = True
    allowed_private_hosts: tuple[str, ...] = ()
    trusted_proxies: int = 0
    soft_bounces: int = 5
    log_format: str = "text"
    dns_server: str = ""

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.startswith("sqlite")


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check all settings.

    Raises
    ------
    SettingsError
        If a value is wrong; the sentence names the variable.
    """
    data_dir = Path(environ.get("DATA_DIR") or "var").resolve()
    make_private(data_dir, "DATA_DIR")
    host = environ.get("HOST") or "127.0.0.1"
    port = _whole(environ, "PORT", DEFAULT_PORT, 0, 65535)
    keys, key_file = _secret_keys(environ, data_dir)
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(environ, data_dir),
        redis_url=_redis_url(environ),
        base_url=_base_url(environ, host, port),
        secret_key=keys[0],
        old_secret_keys=keys[1:],
        secret_key_file=key_file,
        host=host,
        port=port,
        web_workers=_whole(environ, "WEB_WORKERS", 2, 1, 64),
        send_workers=_whole(environ, "SEND_WORKERS", 2, 0, 64),
        practice=_one_of(environ, "PRACTICE", ("on", "off")) == "on",
        allowed_private_hosts=_hosts(environ),
        trusted_proxies=_whole(environ, "TRUSTED_PROXIES", 0, 0, 10),
        soft_bounces=_whole(environ, "SOFT_BOUNCES", 5, 0, 1000),
        log_format=_one_of(environ, "LOG_FORMAT", ("text", "json")),
        dns_server=_dns_server(environ),
    )


def _whole(
    environ: Mapping[str, str], name: str, default: int, low: int, high: int
) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise SettingsError(
            f"{name} must be a whole number from {low} to {high}, not {text!r}."
        )
    return int(text)


def _one_of(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = environ.get(name) or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} must be {' or '.join(choices)}, not {text!r}.")
    return text


def _database_url(environ: Mapping[str, str], data_dir: Path) -> str:
    url = environ.get("DATABASE_URL") or f"sqlite:///{data_dir / 'postroom.db'}"
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg://" + url.removeprefix(prefix)
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        scheme = url.split(":", 1)[0]
        raise SettingsError(
            "DATABASE_URL must start with sqlite:/// or postgresql://, "
            f"not with {scheme!r}."
        )
    return _parsed_database_url(url)


def _parsed_database_url(url: str) -> str:
    """Return the address; one of a server gives up on it after some seconds."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise SettingsError(
            "DATABASE_URL cannot be read. It looks like "
            "postgresql://login:password@host:5432/name; a character such as @ or / "
            "inside the password is written as %40 or %2F."
        ) from error
    if not parsed.drivername.startswith("sqlite"):
        waits = {"connect_timeout": str(CONNECT_SECONDS), **parsed.query}
        return parsed.set(query=waits).render_as_string(hide_password=False)
    if parsed.database in {None, "", ":memory:"}:
        raise SettingsError(
            "DATABASE_URL must name a file, for example "
            "sqlite:////var/lib/postroom/postroom.db: every process has to see it."
        )
    return url


def _redis_url(environ: Mapping[str, str]) -> str | None:
    url = environ.get("REDIS_URL")
    if not url:
        return None
    parts = _split(url)
    if parts is None:
        raise SettingsError(
            "REDIS_URL cannot be read. It looks like redis://:password@host:6379/0."
        )
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise SettingsError(
            "REDIS_URL must start with redis://, rediss:// or unix://, "
            f"not with {parts.scheme!r}."
        )
    if (
        parts.scheme != "unix"
        and not parts.password
        and not is_loopback(parts.hostname or "localhost")
    ):
        raise SettingsError(
            "REDIS_URL names another machine without a password; whoever reaches "
            "that Redis could run jobs here. Give it one: redis://:password@host:6379."
        )
    return url


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address, or None if it is none."""
    try:
        parts = urlsplit(url)
        good = parts.port != 0 and not re.search(r"[\s\x00-\x1f]", url)
    except ValueError:
        return None
    return parts if good else None


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _base_url(environ: Mapping[str, str], host: str, port: int) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    shown = f"[{shown}]" if ":" in shown else shown
    # A free port (0) is known only when it is open; `serve` then reads again.
    url = environ.get("BASE_URL") or f"http://{shown}:{port or DEFAULT_PORT}"
    parts = _split(url)
    if (
        parts is None
        or parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise SettingsError(
            "BASE_URL must be the public address of this desk, for example "
            f"https://post.example.org, not {url!r}."
        )
    return url.rstrip("/")


def _dns_server(environ: Mapping[str, str]) -> str:
    text = environ.get("DNS_SERVER") or ""
    form = r"(?:\[(.+)\]|([0-9.]+))(?::([0-9]{1,5}))?|([0-9A-Fa-f:]+)"
    found = re.fullmatch(form, text)
    try:
        if found:
            ipaddress.ip_address(found[1] or found[2] or found[4])
        is_good = found is not None and 0 < int(found[3] or DNS_PORT) <= LAST_PORT
    except ValueError:
        is_good = False
    if text and not is_good:
        raise SettingsError(
            "DNS_SERVER must be the address of a resolver, such as 192.0.2.53, "
            f"192.0.2.53:5353 or [2001:db8::53]:53, not {text!r}."
        )
    return text


def _hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    text = environ.get("ALLOWED_PRIVATE_HOSTS") or ""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not _is_network(name) and not HOST_NAME.fullmatch(name):
            raise SettingsError(
                "ALLOWED_PRIVATE_HOSTS must be host names, addresses or networks "
                f"with commas between them; {name!r} is none."
            )
    return names


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _secret_keys(
    environ: Mapping[str, str], data_dir: Path
) -> tuple[tuple[bytes, ...], Path | None]:
    """Return the key in use and the older ones, and the file that they are in."""
    text, file = environ.get("SECRET_KEY"), environ.get("SECRET_KEY_FILE")
    if text and file:
        raise SettingsError("Set SECRET_KEY or SECRET_KEY_FILE, not both.")
    old = (environ.get("OLD_SECRET_KEYS") or "").split()
    older = tuple(_long_enough("OLD_SECRET_KEYS", one.encode()) for one in old)
    if text:
        return (_long_enough("SECRET_KEY", text.encode()), *older), None
    path = Path(file) if file else data_dir / KEY_FILE
    keys = _read_keys("SECRET_KEY_FILE", path) if file else _own_keys(path)
    return (*keys, *older), path


def _long_enough(name: str, key: bytes) -> bytes:
    if len(key) < KEY_BYTES:
        raise SettingsError(
            f"{name} must have at least {KEY_BYTES} characters; "
            'python -c "import secrets; print(secrets.token_hex(32))" makes one.'
        )
    return key


def _read_keys(name: str, path: Path) -> tuple[bytes, ...]:
    """Return the keys of a file, one a line, the one in use first."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SettingsError(
            f"{name}: {path} cannot be read ({error.strerror})."
        ) from error
    keys = [line.strip() for line in lines if line.strip()]
    return tuple(_long_enough(name, key) for key in keys or [b""])


def _own_keys(path: Path) -> tuple[bytes, ...]:
    """Return the keys of this data directory, the first made with mode 0600."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, KEY_MODE)
    except FileExistsError:
        return _read_keys("DATA_DIR", path)
    except OSError as error:
        raise SettingsError(
            f"DATA_DIR: {path} cannot be written ({error.strerror})."
        ) from error
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_hex(KEY_BYTES))
    return _read_keys("DATA_DIR", path)


def add_key(path: Path) -> None:
    """Put a new key before those of a file, at once or not at all.

    Raises
    ------
    SettingsError
        If the file cannot be read or written.
    """
    keys = _read_keys("SECRET_KEY_FILE", path)
    lines = [secrets.token_hex(KEY_BYTES), *(key.decode() for key in keys)]
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, KEY_MODE)
        with os.fdopen(handle, "w") as out:
            out.write("\n".join(lines) + "\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        raise SettingsError(
            f"SECRET_KEY_FILE: {path} cannot be written ({error.strerror})."
        ) from error


def make_private(path: Path, name: str) -> None:
    """Create a directory that only this account can enter.

    Raises
    ------
    SettingsError
        If it cannot be created or written to; `name` is the setting that is to blame.
    """
    try:
        path.mkdir(mode=DIR_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{name}: {path} cannot be created ({error.strerror})."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingsError(f"{name}: {path} cannot be written by this account.")
