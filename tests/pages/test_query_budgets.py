"""How often each page asks the database: within a budget, and not more for more rows.

No page reads a table or an index of messages or recipients from end to end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.campaigns.conftest import Desk, sender_of, table_of, template_of
from tests.conftest import ApiClient, PageClient
from tests.support.queries import Asked, asking, scans
from webapp.campaigns import service
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.queue import REGISTRY
from webapp.suppressions.models import Reason, Suppression
from webapp.triage.models import MailLabel, MailRule

LARGE = ("message", "recipient", "event", "attempt", "message_address")
BUDGET = 16
MORE = {
    "campaigns.show": 22,
    "messages.show_message": 20,
    "pages.dashboard": 40,
    "recipients.show": 22,
}
# A page may ask once or twice for what the smaller desk had none of.
SOME = 2
SCAN = {
    "recipients.index": "counts by an index that holds only rows with bad cells",
}
# Each has its reason: what it costs is not what the database is asked.
ELSEWHERE = {
    "static": "a file",
    "pages.set_up": "for nobody who is signed in",
    "pages_api.openapi_document": "asks nothing",
    "operators.sign_in": "for nobody who is signed in",
    "recipients.export": "streams all rows",
    "campaigns.download_report": "streams all rows",
    "outbox.download_mbox": "streams all messages",
    "outbox_api.campaign_mbox": "streams all messages",
    "outbox_api.sender_mbox": "streams all messages",
}
# Their rows are on an IMAP server, or are one thing each.
OTHERS = ("answers", "folders_api", "mailboxes", "mails_api", "public", "triage")
UNKNOWN_ARGUMENTS = {
    *("import_id", "key_id", "upload_id", "section", "form"),
    *("mail_id", "uid"),  # those of triage read a mail server
}


@dataclass(frozen=True)
class House:
    """A desk with so many rows, and what its addresses are made of."""

    campaigns: tuple[int, int]
    arguments: dict[str, int]


@pytest.fixture(autouse=True)
def _delivery_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("delivery.ticket", "delivery.message"):
        if name not in REGISTRY:
            monkeypatch.setitem(REGISTRY, name, lambda *_ids: None)


def house_of(rows: int, name: str = "First") -> House:
    """Fill a desk: a campaign under way, a draft, and a tenth as many of all else."""
    people = [
        {"email": f"p{number}@example.org", "first_name": f"P{number}"}
        for number in range(rows)
    ]
    table, sender = table_of(people, name), sender_of(name=name)
    desk = Desk(table, template_of(), sender)
    desk.campaign = service.create(
        name=name,
        recipient_table_id=table.id,
        message_template_id=desk.template.id,
        sender_id=sender.id,
    )
    running = desk.launched()
    for number, status in enumerate(Status):
        mine = (Message.campaign_id == running.id, Message.row_number % 9 == number)
        values = {"status": status, "updated_at": now(), "reason_class": "address"}
        db.session.execute(sa.update(Message).where(*mine).values(**values))
    rules = []
    for number in range(rows // 10):
        label = MailLabel(name=f"{name} {number}")
        db.session.add(label)
        db.session.flush()
        rules.append(MailRule(position=number, subject=name, label_id=label.id))
        db.session.add(rules[-1])
        table_of([], f"{name} {number}")
        template_of()
        sender_of(name=f"{name} {number}")
        copy = Campaign(name=f"Copy {number}", state=State.PAUSED, pause_reason="No.")
        db.session.add(copy)
        db.session.add(
            Suppression(address_key=f"p{number}@example.org", reason=Reason.MANUAL)
        )
    draft = Campaign(
        name="Draft",
        recipient_table_id=desk.table.id,
        message_template_id=desk.template.id,
        sender_id=desk.sender.id,
    )
    db.session.add(draft)
    db.session.commit()
    first = desk.messages()[0]
    assert first.recipient_id is not None
    return House(
        (running.id, draft.id),
        {
            "message_id": first.id,
            "table_id": desk.table.id,
            "recipient_id": first.recipient_id,
            "message_template_id": desk.template.id,
            "sender_id": desk.sender.id,
            "rule_id": rules[0].id,
        },
    )


def places(app: Flask, house: House) -> Iterator[tuple[str, str]]:
    """Yield the endpoint and address of each page and list of the API."""
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            name = rule.endpoint
            if "GET" not in (rule.methods or ()) or name in ELSEWHERE:
                continue
            if name.startswith(OTHERS) or rule.arguments & UNKNOWN_ARGUMENTS:
                continue
            chosen = house.campaigns if "campaign_id" in rule.arguments else (0,)
            for campaign_id in chosen:
                values = {**house.arguments, "campaign_id": campaign_id}
                mine = {name: values[name] for name in rule.arguments}
                built = rule.build(mine, append_unknown=False)
                assert built is not None
                yield name, built[1]
    running = house.campaigns[0]
    messages = f"/api/v1/campaigns/{running}/messages"
    for query in ("?status=failed", "?class=address", "?q=p3", "?q=p3@example.org"):
        yield "campaigns_api.list_messages", messages + query
        yield "campaigns.show", f"/campaigns/{running}{query}"
    yield "campaigns.show", f"/campaigns/{running}?order=rows"
    table = f"/recipient-tables/{house.arguments['table_id']}"
    for query in ("?q=p3", "?only=duplicate", "?only=suppressed", "?only=invalid"):
        yield "recipients.show", f"{table}{query}"
        yield (
            "recipients_api.rows",
            f"/api/v1{table}/recipients{query}",
        )
    yield "suppressions.index", "/suppressions?q=p3"
    yield "campaigns.index", "/campaigns?q=Copy"


def asked_by_all(
    app: Flask, client: PageClient, api: ApiClient, house: House
) -> dict[tuple[str, str], list[Asked]]:
    """Ask for each place; return what the database was asked for it."""
    found = {}
    for name, place in places(app, house):
        db.session.rollback()
        db.session.expire_all()
        with asking() as seen:
            if place.startswith("/api/v1"):
                answer = api.get(place.removeprefix("/api/v1"))
            else:
                answer = client.get(place)
        assert answer.status_code < 500, f"{place}: {answer.text}"
        found[name, place] = seen
    return found


def test_each_page_keeps_its_budget_and_reads_no_table_from_end_to_end(
    app: Flask, client: PageClient, api: ApiClient
) -> None:
    found = asked_by_all(app, client, api, house_of(10))
    too_many = {
        place: len(seen)
        for (name, place), seen in found.items()
        if len(seen) > MORE.get(name, BUDGET)
    }
    assert too_many == {}
    every = [
        asked
        for (name, _place), seen in found.items()
        for asked in seen
        if name not in SCAN
    ]
    once = list({text: (text, values) for text, values in every}.values())
    assert len(once) > 100
    assert scans(once, *LARGE) == []


def test_more_rows_ask_for_nothing_more(
    app: Flask, client: PageClient, api: ApiClient
) -> None:
    few = asked_by_all(app, client, api, house_of(20))
    # The dashboard asks anew for each campaign under way; of those are few.
    db.session.execute(sa.update(Campaign).values(state=State.FINISHED))
    db.session.commit()
    many = asked_by_all(app, client, api, house_of(300, "Second"))
    grown = {
        place: f"{len(before)}, then {len(after)}"
        for before, ((_name, place), after) in zip(
            few.values(), many.items(), strict=True
        )
        if len(after) > len(before) + SOME
    }
    assert grown == {}, "\n".join(map(str, grown.items()))


def test_a_table_that_is_read_from_end_to_end_is_found(app: Flask) -> None:
    del app
    with asking() as seen:
        db.session.scalar(sa.select(sa.func.count()).where(Message.reply == "x"))
    db.session.rollback()
    assert len(scans(seen, *LARGE)) == 1
