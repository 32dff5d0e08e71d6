"""A whole signed campaign, through Postfix's sink into Dovecot, and verified there."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.support.dkim_records import algorithms, signed_names, verified
from tests.support.dovecot import Dovecot
from tests.support.sending import Desk, person
from tests.support.smtp_servers import smtp_sink
from webapp.campaigns import uploads
from webapp.campaigns.attachments import listed
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.delivery import plans
from webapp.delivery.engine import Engine
from webapp.message_templates.models import Format
from webapp.senders import keys
from webapp.senders.models import Sender

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
PLAN = b"The plan,\nline by line.\n" * 200
HTML = """<!doctype html><html lang="en"><body>
<p>Dear {{ name }},   here is the photo:</p><img src="cid:photo" alt="Harbour">
.
<p><a href="{{ unsubscribe_url }}">Stop these messages</a></p></body></html>
"""
PEOPLE = 3


@pytest.fixture
def capture() -> Iterator[Path]:
    """A directory into which the sink may write whoever it runs as."""
    home = Path(tempfile.mkdtemp(prefix="sink-", dir="/tmp"))
    home.chmod(0o777)
    yield home
    shutil.rmtree(home)


def mailing(desk: Desk, port: int) -> tuple[Campaign, dict[str, str]]:
    """A campaign with a picture and a file, its domain's keys, and their records."""
    sender: Sender = desk.sender(port=port)
    for algorithm in ("rsa", "ed25519"):
        key = keys.make(sender.id, {"algorithm": algorithm})
        keys.activate(sender.id, key.id)
    records = {one.record_name: one.record_text for one in keys.keys_of(sender)}
    files = [
        listed(uploads.kept("harbour.png", PNG), "photo"),
        listed(uploads.kept("plan.txt", PLAN)),
    ]
    campaign = desk.campaign(
        PEOPLE, sender, attachments=files, subject="Grüße, {{ name }}"
    )
    version = campaign.message_template_version
    assert version is not None
    version.format, version.html, version.text = Format.HTML, HTML, ""
    db.session.commit()
    return campaign, records


def captured(home: Path) -> list[bytes]:
    """The messages as the sink wrote them, without what it says about the sessions."""
    found = []
    for file in sorted(home.iterdir()):
        text = file.read_bytes()
        start = re.search(rb"^DKIM-Signature:", text, re.MULTILINE)
        assert start is not None
        found.append(text[start.start() :].replace(b"\n", b"\r\n"))
    return found


def read_back(dovecot: Dovecot, login: str, mails: list[bytes]) -> list[bytes]:
    """Append mails to a mailbox, and fetch them again by another session."""
    writer = dovecot.client(login)
    for mail in mails:
        assert writer.append("INBOX", "", "", mail)[0] == "OK"
    writer.logout()
    reader = dovecot.client(login)
    reader.select("INBOX", readonly=True)
    _typ, answers = reader.fetch("1:*", "(BODY.PEEK[])")
    reader.logout()
    return [answer[1] for answer in answers if isinstance(answer, tuple)]


def test_a_signed_campaign_arrives_as_it_was_signed(
    desk: Desk, engine: Engine, dovecot: Dovecot, login: str, capture: Path
) -> None:
    with smtp_sink("-d", f"{capture}/mail.") as port:
        campaign, records = mailing(desk, port)
        plan = plans.of_campaign(campaign.id, 0)
        assert plan is not None
        engine.work(plan)
        engine.drain()
    mails = read_back(dovecot, login, captured(capture))
    assert len(mails) == PEOPLE
    for data in mails:
        assert algorithms(data) == ["rsa", "ed25519"]
        assert verified(data, records) == [True, True]
        assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(signed_names(data))
        assert verified(data.replace(b"Dear", b"Deer"), records) == [False, False]
        mail = message_from_bytes(data, policy=policy.default)
        shown = {part.get_content_type(): part for part in mail.walk()}
        assert shown["image/png"].get_payload(decode=True) == PNG
        files = [part.get_payload(decode=True) for part in mail.iter_attachments()]
        assert PLAN in files
    to = {str(message_from_bytes(data)["To"]).rpartition("<")[2] for data in mails}
    assert to == {f"{person(number)}>" for number in range(1, PEOPLE + 1)}
