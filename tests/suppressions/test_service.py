"""Suppressions by page and API."""

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.conftest import ApiClient, PageClient
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators.models import AuditEntry, Operator, Role
from webapp.suppressions import service
from webapp.suppressions.models import Channel, Reason, Suppression


def test_suppressing_twice_is_one_suppression(app: Flask) -> None:
    del app
    one = service.suppress(Channel.EMAIL, "Ada@Example.org")
    two = service.suppress(Channel.EMAIL, "ada@example.org")
    assert one.id == two.id


def test_undo_lets_mail_go_again(app: Flask) -> None:
    del app
    row = service.suppress(Channel.EMAIL, "ada@example.org")
    assert service.is_suppressed("ada@example.org")
    service.undo(row.id)
    assert not service.is_suppressed("ada@example.org")
    service.redo(row.id)
    assert service.is_suppressed("ada@example.org")


def test_undo_leaves_none_behind_where_two_were_faster(app: Flask) -> None:
    del app
    rows = [("ada@example.org", "ada@example.org", "")]
    service.suppress_many(rows, Reason.COMPLAINT, now())
    db.session.execute(
        sa.insert(Suppression).from_select(
            ["channel", "address_key", "address", "reason", "source", "created_at"],
            sa.select(
                *(Suppression.channel, Suppression.address_key, Suppression.address),
                *(Suppression.reason, Suppression.source, Suppression.created_at),
            ),
        )
    )
    db.session.commit()
    other = service.suppress(Channel.EMAIL, "ada@example.org", 5, Reason.COMPLAINT)
    service.undo(1)
    assert not service.is_suppressed("ada@example.org")
    assert service.is_suppressed("ada@example.org", 5)
    assert other.undone_at is None


def test_taking_an_undo_back_makes_no_second_one(app: Flask) -> None:
    del app
    row = service.suppress(Channel.EMAIL, "ada@example.org")
    service.undo(row.id)
    new = service.suppress(Channel.EMAIL, "ada@example.org")
    assert service.redo(row.id).id == new.id
    service.undo(new.id)
    assert not service.is_suppressed("ada@example.org")


def test_what_is_no_address_is_refused(app: Flask) -> None:
    del app
    for channel, text in (
        (Channel.EMAIL, "ada"),
        (Channel.DOMAIN, "exa mple"),
        (Channel.PHONE, "030 1"),
    ):
        with pytest.raises(Invalid):
            service.suppress(channel, text)


def test_many_keys_are_asked_for_at_once(app: Flask) -> None:
    del app
    service.suppress(Channel.EMAIL, "p7@example.org", None, Reason.HARD_BOUNCE)
    service.suppress(Channel.DOMAIN, "example.net", None, Reason.MANUAL)
    service.suppress(Channel.EMAIL, "p8@example.org", 5, Reason.UNSUBSCRIBED)
    keys = [f"p{n}@example.org" for n in range(1000)] + ["x@example.net"]
    everywhere = {
        "p7@example.org": Reason.HARD_BOUNCE,
        "x@example.net": Reason.MANUAL,
    }
    assert service.suppressed_keys(keys) == everywhere
    assert service.suppressed_keys(keys, 5) == {
        **everywhere,
        "p8@example.org": Reason.UNSUBSCRIBED,
    }
    assert service.suppressed_keys(keys, 5, transactional=True) == everywhere


def test_the_api_adds_lists_and_removes(api: ApiClient) -> None:
    added = api.post("/suppressions", {"address": "Ada@Example.org"})
    assert added.status_code == 201
    assert added.get_json()["channel"] == "email"
    api.post("/suppressions", {"address": "example.net"})
    items = api.get("/suppressions").get_json()["items"]
    assert [item["address"] for item in items] == ["example.net", "ada@example.org"]
    path = f"/suppressions/{added.get_json()['id']}"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    found = api.get("/suppressions?q=example").get_json()["items"]
    assert [item["address"] for item in found] == ["example.net"]


def test_the_api_names_what_is_wrong(api: ApiClient) -> None:
    answer = api.post("/suppressions", {"address": "ada@", "channel": "email"})
    assert answer.status_code == 422
    assert "address" in answer.get_json()["fields"]


def test_the_page_adds_removes_and_undoes(client: PageClient) -> None:
    assert "Nobody is suppressed." in client.get("/suppressions").text
    client.submit("/suppressions", {"address": "ada@example.org", "reason": "manual"})
    page = client.get("/suppressions").text
    assert "ada<wbr>@example.org" in page
    row = service.find(Channel.EMAIL, "ada@example.org", None)
    assert row is not None
    client.submit(f"/suppressions/{row.id}/undo")
    page = client.get("/suppressions").text
    assert f"/suppressions/{row.id}/redo" in page
    client.submit(f"/suppressions/{row.id}/redo")
    assert service.is_suppressed("ada@example.org")


def test_the_page_keeps_what_was_typed_wrong(client: PageClient) -> None:
    page = client.submit("/suppressions", {"address": "a b@", "reason": "manual"})
    assert page.status_code == 422
    assert 'value="a b@"' in page.text
    assert "error-summary" in page.text


def test_the_page_searches(client: PageClient) -> None:
    service.suppress(Channel.EMAIL, "ada@example.org")
    assert "ada<wbr>" in client.get("/suppressions?q=ADA").text
    assert "No suppression matches." in client.get("/suppressions?q=eve").text


def test_why_one_was_removed_is_in_the_log(client: PageClient, api: ApiClient) -> None:
    for address in ("ada@example.org", "bo@example.org"):
        service.suppress(Channel.EMAIL, address)
    client.submit("/suppressions/1/undo", {"why": "She called"})
    api.delete("/suppressions/2?why=He%20wrote")
    query = sa.select(AuditEntry.detail).where(
        AuditEntry.action == "suppression.undone"
    )
    found = list(db.session.scalars(query.order_by(AuditEntry.id)))
    assert found == [{"why": "She called"}, {"why": "He wrote"}]


def test_a_reader_asks_for_one_address_and_sees_no_list(
    client: PageClient, api: ApiClient
) -> None:
    service.suppress(Channel.EMAIL, "ada@example.org")
    service.suppress(Channel.EMAIL, "kofi@example.org")
    db.session.query(Operator).update({"role": Role.READER})
    db.session.commit()
    for path in ("/suppressions", "/suppressions?q=ada", "/suppressions?reason=manual"):
        assert "ada<wbr>" not in client.get(path).text
        assert api.get(path).get_json()["items"] == []
    found = client.get("/suppressions?q=Ada@example.org").text
    assert "ada<wbr>" in found
    assert "kofi<wbr>" not in found
    assert client.get("/suppressions/export.csv").status_code == 403
