"""The outbox of dry runs: whole messages, shown and exported; nothing has left."""

import mailbox
import re
from base64 import b64encode
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ApiClient, PageClient
from tests.delivery.test_single import queued, work
from tests.support.sending import Desk
from webapp.campaigns.models import Campaign, Message
from webapp.composing import mbox
from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery import plans
from webapp.delivery.engine import Engine
from webapp.senders.models import Sender, TransportKind

PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 40
TEXT = "Dear {{ name }},\nFrom now on\n>From then on\n.\n..\n"


@pytest.fixture
def dry(desk: Desk) -> Sender:
    """A dry-run sender."""
    return desk.sender(kind=TransportKind.DRY_RUN)


@pytest.fixture
def campaign(desk: Desk, engine: Engine, dry: Sender) -> Campaign:
    """A finished dry run to seven people."""
    campaign = desk.campaign(7, dry, text=TEXT, subject="Grüße, {{ name }}")
    plan = plans.of_campaign(campaign.id, 0)
    assert plan is not None
    engine.work(plan)
    assert desk.server.mails == []
    # A picture of it: no transaction stays open that a request would wait for.
    db.session.refresh(campaign)
    db.session.expunge(campaign)
    db.session.rollback()
    return campaign


def sent_by(api: ApiClient, engine: Engine, sender: Sender, **values: Any) -> int:
    """Queue and send one message; its id."""
    made = queued(api, **values)
    work(engine, sender)
    return made


def kept() -> list[bytes]:
    """The octets of all kept messages, in the order of their rows."""
    names = db.session.scalars(sa.select(Message.mime_sha256).order_by(Message.id))
    found = [b"".join(blobs.read(name)) for name in names.all()]
    db.session.rollback()
    return found


def read_back(file: Path, content: bytes) -> list[bytes]:
    """Return the messages that the standard library finds in an mbox file."""
    file.write_bytes(content)
    box = mailbox.mbox(file, create=False)
    try:
        return [mbox.message_of(box.get_bytes(key)) for key in box.keys()]  # noqa: SIM118 - iterating a mailbox yields messages
    finally:
        box.close()


def test_an_empty_outbox_says_what_a_dry_run_is(client: PageClient) -> None:
    page = client.get("/outbox").get_data(as_text=True)
    assert "No dry run yet" in page
    assert 'href="/senders/new?kind=dry_run"' in page


def test_the_outbox_of_a_campaign_is_listed_by_pages(
    client: PageClient, campaign: Campaign
) -> None:
    place = f"/outbox?campaign={campaign.id}"
    first = client.get(f"{place}&limit=5").get_data(as_text=True)
    assert first.count("Sent (dry run)") == 5
    assert "Grüße, Person 7" in first
    assert "Person 2" not in first
    cursor = first.split("cursor=")[1].split("&")[0].split('"')[0]
    rest = client.get(f"{place}&limit=5&cursor={cursor}").get_data(as_text=True)
    assert rest.count("Sent (dry run)") == 2
    assert "Person 2" in rest


def test_each_sender_and_campaign_has_its_own(
    client: PageClient, desk: Desk, campaign: Campaign
) -> None:
    other = desk.campaign(1, desk.sender(kind=TransportKind.DRY_RUN))
    for place in (f"campaign={other.id}", f"sender={other.sender_id}"):
        page = client.get(f"/outbox?{place}").get_data(as_text=True)
        assert "No dry run yet" in page
    page = client.get(f"/outbox?sender={campaign.sender_id}").get_data(as_text=True)
    assert page.count("Sent (dry run)") == 7


@pytest.mark.parametrize(
    "place",
    ["?campaign=999", "?sender=999", f"?campaign={2**70}", "/999", "/999/frame"],
)
def test_what_is_not_there_is_not_found(client: PageClient, place: str) -> None:
    assert client.get(f"/outbox{place}").status_code == 404


def test_the_index_over_kept_messages_serves_the_list(desk: Desk) -> None:
    query = str(
        sa.select(Message.id)
        .where(Message.mime_sha256 != sa.literal_column("''"), Message.sender_id == 1)
        .order_by(Message.id.desc())
        .compile(db.engine, compile_kwargs={"literal_binds": True})
    )
    plan = db.session.execute(sa.text(f"EXPLAIN QUERY PLAN {query}")).all()
    assert "ix_message_kept" in str(plan)
    del desk


def test_a_message_with_a_picture_and_a_file_is_shown_in_all_ways(
    client: PageClient, api: ApiClient, engine: Engine, dry: Sender
) -> None:
    files = [
        {"filename": "p.png", "content": b64encode(PNG).decode(), "content_id": "p"},
        {"filename": "plan.txt", "content": b64encode(b"The plan").decode()},
    ]
    html = '<p>Hello <script>alert(1)</script><img src="cid:p" alt="x"></p>'
    made = sent_by(api, engine, dry, html=html, attachments=files)
    place = f"/outbox/{made}"
    page = client.get(place).get_data(as_text=True)
    assert "Sent (dry run)" in page
    assert f'src="{place}/frame"' in page
    assert re.search(r"<iframe[^>]*\ssandbox\s", page)
    frame = client.get(f"{place}/frame")
    body = frame.get_data(as_text=True)
    assert "script" not in body
    assert f"data:image/png;base64,{b64encode(PNG).decode()}" in body
    assert "default-src 'none'" in frame.headers["Content-Security-Policy"]
    parts = client.get(f"{place}?view=parts").get_data(as_text=True)
    for words in ("multipart/mixed", "image/png; inline", "cid:p", "plan.txt"):
        assert words in parts
    assert client.get(f"{place}/parts/2").data == b"The plan"
    assert client.get(f"{place}/parts/1").status_code == 404
    headers = client.get(f"{place}?view=headers").get_data(as_text=True)
    assert "message-id" in headers
    assert "hidden@example.org" not in headers
    source = client.get(f"{place}?view=source").get_data(as_text=True)
    assert "Content-ID: &lt;p&gt;" in source
    assert "Thank you." in client.get(f"{place}?view=text").get_data(as_text=True)


def test_one_message_is_saved_as_it_is(client: PageClient, campaign: Campaign) -> None:
    first, *_ = kept()
    row = db.session.scalars(sa.select(Message.id).order_by(Message.id)).first()
    db.session.rollback()
    answer = client.get(f"/outbox/{row}/message.eml")
    assert answer.data == first
    assert "attachment" in answer.headers["Content-Disposition"]
    assert ".eml" in answer.headers["Content-Disposition"]
    mail = message_from_bytes(answer.data, policy=policy.default)
    assert mail["Subject"] == "Grüße, Person 1"
    assert campaign.id


def test_a_campaign_as_mbox_reads_back_to_the_same_octets(
    client: PageClient, campaign: Campaign, tmp_path: Path
) -> None:
    answer = client.get(f"/outbox.mbox?campaign={campaign.id}")
    assert answer.content_type == "application/mbox"
    assert "campaign-1.mbox" in answer.headers["Content-Disposition"]
    assert b"\n>From now on" in answer.data
    assert b"\n>>From then on" in answer.data
    assert read_back(tmp_path / "box", answer.data) == kept()


def test_the_api_gives_the_same_file(api: ApiClient, campaign: Campaign) -> None:
    by_campaign = api.get(f"/campaigns/{campaign.id}/outbox.mbox").data
    by_sender = api.get(f"/senders/{campaign.sender_id}/outbox.mbox").data
    assert by_campaign == by_sender
    assert by_campaign.count(b"\nFrom postroom ") == 6
    assert api.get("/campaigns/999/outbox.mbox").status_code == 404


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["From me", ">From me", ">>From", "From", "", "x", "> x"]),
            max_size=6,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_lines_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[list[str]]
) -> None:
    whole = [
        b"Subject: x\r\n\r\n" + b"".join(f"{line}\r\n".encode() for line in lines)
        for lines in bodies
    ]
    file = tmp_path_factory.mktemp("mbox") / "box"
    content = b"".join(mbox.entry(data, now()) for data in whole)
    assert read_back(file, content) == whole


def test_no_page_says_plainly_sent(
    client: PageClient, api: ApiClient, campaign: Campaign
) -> None:
    live = client.get(f"/campaigns/{campaign.id}").get_data(as_text=True)
    assert ">Sent<" not in live
    assert "Sent (dry run)" in live
    assert f'href="/outbox?campaign={campaign.id}"' in live
    row = db.session.scalars(sa.select(Message.id).order_by(Message.id)).first()
    db.session.rollback()
    page = client.get(f"/campaigns/{campaign.id}/messages/{row}")
    text = page.get_data(as_text=True)
    assert "Attempt 1: kept here (dry run)" in text
    assert "as it was sent" not in text
    assert ">Sent<" not in text
    report = client.get(f"/campaigns/{campaign.id}/report.csv").get_data(as_text=True)
    assert report.count("sent (dry run)") == 7
    assert api.get(f"/messages/{row}").json["dry_run"] is True  # type: ignore[index]  # an object
    status = api.get(f"/campaigns/{campaign.id}/status").json
    assert status is not None
    assert status["dry_run"] is True
    campaigns = client.get("/campaigns").get_data(as_text=True)
    assert "(dry run)" in campaigns


def test_the_dashboard_counts_nothing_that_did_not_leave(
    client: PageClient, campaign: Campaign
) -> None:
    del campaign
    page = client.get("/").get_data(as_text=True)
    assert "7 sent" not in page
    assert "<b>7</b>" not in page
