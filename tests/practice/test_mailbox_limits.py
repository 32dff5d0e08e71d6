"""The practice mailbox is bounded: the oldest mails give way, on disk too."""

import asyncio
from pathlib import Path

import pytest

from webapp.core.practice import fresh
from webapp.practice import imap
from webapp.practice.journal import Journal


def receive(path: Path, sources: list[bytes]) -> list[bytes]:
    """Deliver mails, and return what the folder holds after a restart."""

    async def deliver() -> None:
        account = await imap.open_account(fresh(), journal)
        for source in sources:
            await account.inbox.receive(source)

    journal = Journal(path)
    asyncio.run(deliver())
    inbox = journal.folders()[0].number
    kept = [journal.source(inbox, head.uid) for head in journal.heads(inbox)]
    journal.close()
    return kept


def test_the_oldest_mail_gives_way_to_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "MAX_MAILS", 2)
    assert receive(tmp_path / "m", [b"one", b"two", b"three"]) == [b"two", b"three"]


def test_octets_are_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "MAX_BYTES", 10)
    assert receive(tmp_path / "m", [b"12345", b"67890", b"x"]) == [b"67890", b"x"]


def test_octets_of_the_last_run_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "MAX_BYTES", 10)
    receive(tmp_path / "m", [b"12345", b"67890"])
    assert receive(tmp_path / "m", [b"x"]) == [b"67890", b"x"]
