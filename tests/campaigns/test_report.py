"""The report: every row, readable by machines, harmless in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.conftest import PEOPLE, Desk, MakeDesk
from tests.conftest import PageClient
from webapp.campaigns import report
from webapp.campaigns.states import Status


def rows_of(client: PageClient, desk: Desk, query: str = "") -> list[dict[str, str]]:
    """The rows of the downloaded report, by column."""
    answer = client.get(f"/campaigns/{desk.campaign.id}/report.csv{query}")
    assert answer.status_code == 200
    text = answer.data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_row_with_its_columns_and_outcome(client: PageClient, desk: Desk) -> None:
    desk.launched()
    desk.set(
        1,
        Status.FAILED,
        reason_class="address",
        reply_code=550,
        reply="5.1.1 No such user",
        tries=1,
    )
    rows = rows_of(client, desk)
    assert [row["recipient"] for row in rows] == [one["email"] for one in PEOPLE]
    assert (rows[1]["state"], rows[1]["class"], rows[1]["code"]) == (
        "failed",
        "address",
        "550",
    )
    assert rows[1]["first_name"] == "Zoë"
    assert rows[0]["queued_at"].endswith("Z")


def test_formulas_are_neutralised_in_every_column(
    client: PageClient, make_desk: MakeDesk
) -> None:
    desk = make_desk([{"email": "a@example.org", "first_name": "=HYPERLINK(1)"}])
    desk.launched()
    desk.set(0, Status.FAILED, reply="@SUM(1)", reason="+1")
    row = rows_of(client, desk)[0]
    assert row["first_name"] == "'=HYPERLINK(1)"
    assert (row["reply"], row["reason"]) == ("'@SUM(1)", "'+1")


@given(st.text())
def test_neutralising_can_be_undone(text: str) -> None:
    safe = report.safe_cell(text)
    assert not safe.startswith(report.FORMULA)
    assert report.plain_cell(safe) == text


def test_a_byte_order_mark_when_asked(client: PageClient, desk: Desk) -> None:
    desk.launched()
    place = f"/campaigns/{desk.campaign.id}/report.csv"
    assert client.get(f"{place}?bom=1").data.startswith(b"\xef\xbb\xbf")
    plain = client.get(place)
    assert plain.data.startswith(b"row,recipient,")
    assert b"\r\n" in plain.data


def test_the_file_name_says_which_campaign(client: PageClient, desk: Desk) -> None:
    desk.launched()
    answer = client.get(f"/campaigns/{desk.campaign.id}/report.csv")
    kept = answer.headers["Content-Disposition"]
    assert kept.startswith("attachment; filename=campaign-november-newsletter-20")


def test_a_dry_run_says_so(client: PageClient, make_desk: MakeDesk) -> None:
    desk = make_desk(sender={"kind": "dry_run"})
    desk.launched()
    desk.set(0, Status.SENT)
    assert [row["state"] for row in rows_of(client, desk)] == [
        "sent (dry run)",
        "pending",
        "pending",
    ]


def test_more_rows_than_one_batch(
    client: PageClient, make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "BATCH", 3)
    people = [{"email": f"p{n}@example.org", "first_name": "P"} for n in range(7)]
    desk = make_desk(people)
    desk.launched()
    assert len(rows_of(client, desk)) == 7
