"""A real Dovecot on a free loopback port, for as long as a test session lasts.

Any login works with the password ``secret``, so each test takes a fresh account for
nothing. With ``capability`` it plays a server that knows little.
"""

import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.rubbish import place

PASSWORD = "secret"
PATIENCE = 120.0
POOR = "IMAP4rev1 IDLE LITERAL+"
NOBODY = 65534

CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
ssl = {ssl}
{keys}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_max_userip_connections = 200
mail_fsync = never
default_vsz_limit = 2G
mail_location = {storage}:{home}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
{rootless}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/home/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = {tls}
  }}
}}
protocol imap {{
  {capability}
}}
"""
ROOTLESS = """
default_login_user = {name}
default_internal_user = {name}
default_internal_group = {name}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """Where the server listens; `tls_port` is 0 without a certificate."""

    port: int
    tls_port: int
    home: Path
    host: str = "127.0.0.1"

    def client(self, login: str) -> imaplib.IMAP4:
        """Return another, independent client that is logged in."""
        client = imaplib.IMAP4(self.host, self.port, timeout=PATIENCE)
        client.login(login, PASSWORD)
        return client


@contextmanager
def running(
    *,
    capability: str = "",
    certificate: tuple[Path, Path] | None = None,
    storage: str = "maildir",
) -> Iterator[Dovecot]:
    """Start Dovecot, wait until it greets, and stop it by its process id.

    Parameters
    ----------
    storage
        How it keeps mails: ``mdbox`` where there are very many.
    """
    # A short path: sockets live there.
    home = Path(tempfile.mkdtemp(prefix="dovecot-", dir=place()))
    server = Dovecot(free_port(), free_port() if certificate else 0, home)
    _write(server, capability, certificate, storage)
    binary = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
    assert binary, "Dovecot is missing: apt-get install dovecot-imapd"
    process = subprocess.Popen(  # noqa: S603 - a fixed program with our own file
        [binary, "-F", "-c", str(home / "dovecot.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(home, ignore_errors=True)


def _write(
    server: Dovecot,
    capability: str,
    certificate: tuple[Path, Path] | None,
    storage: str,
) -> None:
    home = server.home
    is_root = os.geteuid() == 0
    uid, gid = (NOBODY, NOBODY) if is_root else (os.geteuid(), os.getegid())
    for name in ("mail", "home"):
        (home / name).mkdir()
        os.chown(home / name, uid, gid)
    home.chmod(0o755)
    keys = ""
    if certificate:
        keys = f"ssl_cert = <{certificate[0]}\nssl_key = <{certificate[1]}"
    text = CONFIG.format(
        home=home,
        storage=storage,
        uid=uid,
        gid=gid,
        port=server.port,
        tls_port=server.tls_port,
        tls="yes" if certificate else "no",
        ssl="yes" if certificate else "no",
        keys=keys,
        chroot="" if is_root else "chroot =",
        rootless="" if is_root else ROOTLESS.format(name=pwd.getpwuid(uid).pw_name),
        capability=f"imap_capability = {capability}" if capability else "",
    )
    (home / "dovecot.conf").write_text(text)


def _wait(server: Dovecot, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection((server.host, server.port), timeout=1) as s:
                s.settimeout(5)
                if s.recv(200).startswith(b"* OK"):
                    return
        except OSError:
            time.sleep(0.05)
    log = server.home / "log"
    raise RuntimeError(
        f"Dovecot did not start: {log.read_text() if log.exists() else 'no log'}"
    )
