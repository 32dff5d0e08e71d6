"""What the check says beyond each row: odd addresses, cells of strangers, the bytes."""

from typing import Any

import pytest

from tests.campaigns.conftest import Desk, MakeDesk
from tests.conftest import PageClient
from webapp.campaigns.address_remarks import is_disposable, is_role, meant_domain
from webapp.core.db import db
from webapp.suppressions.models import Reason, Suppression

LINK = """\
<html lang="en"><p>Dear {{ first_name }}</p>
<a href="{{ unsubscribe_url }}">Stop</a></html>
"""


def person(address: str, name: str = "A") -> dict[str, Any]:
    return {"email": address, "first_name": name}


def codes(desk: Desk) -> dict[str, Any]:
    return {one["code"]: one for one in desk.checked().check_result["findings"]}


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("a@gmial.com", "gmail.com"),
        ("a@gmail.con", "gmail.com"),
        ("a@gmail.co", "gmail.com"),
        ("a@hotmial.com", "hotmail.com"),
        ("a@outloook.com", "outlook.com"),
        ("a@GMAIL.com", None),
        ("a@mail.com", None),
        ("a@example.org", None),
        ("a@gmx.net", None),
        ("a@gmailer.example", None),
    ],
)
def test_r05_a_slip_in_a_well_known_domain(address: str, meant: str | None) -> None:
    assert meant_domain(address) == meant


def test_r04_and_disposable_domains() -> None:
    assert is_role("Postmaster@example.org")
    assert not is_role("posy@example.org")
    assert is_disposable("x@mailinator.com")
    assert not is_disposable("x@example.org")


def test_the_check_counts_them_and_names_rows(make_desk: MakeDesk) -> None:
    people = [
        person("ada@gmial.com"),
        person("info@gmial.com"),
        person("b@yopmail.com"),
    ]
    desk = make_desk(people, html=LINK)
    found = codes(desk)
    assert found["R05"]["message"].endswith("3; did you mean gmail.com?")
    assert [row["row"] for row in found["R05"]["rows"]] == [1, 2, 3]
    assert found["R04"]["message"] == "Addresses of a function, not of a person: 1"
    assert (found["R04"]["severity"], found["R04"]["rows"][0]["row"]) == ("info", 2)
    assert desk.fresh().check_result["recipients"] == 3


def test_good_addresses_are_not_remarked_on(make_desk: MakeDesk) -> None:
    assert not {"R04", "R05", "V04"} & set(codes(make_desk(html=LINK)))


@pytest.mark.parametrize(
    ("cell", "is_found"),
    [("Win at https://evil.example", True), ("<b>x", True), ("Ada & Bo", False)],
)
def test_v04_a_link_where_strangers_wrote(
    make_desk: MakeDesk, cell: str, is_found: bool
) -> None:
    desk = make_desk([person("ada@example.org", cell)], html=LINK)
    assert "V04" not in codes(desk)
    next(one for one in desk.table.columns if one.name == "first_name").untrusted = True
    db.session.commit()
    assert ("V04" in codes(desk)) is is_found


def test_rows_carry_the_code_of_their_reason(make_desk: MakeDesk) -> None:
    people = [
        person("ada@example.org"),
        person("ADA@example.org"),
        person("no address"),
        person("zoe@example.org"),
    ]
    db.session.add(Suppression(address_key="zoe@example.org", reason=Reason.MANUAL))
    result = make_desk(people).checked().check_result
    assert result["problem_rows"][0]["code"] == "R01"
    kinds = {k: v["rows"][0]["code"] for k, v in result["skipped"].items()}
    assert kinds == {"duplicate": "R02", "suppressed": "R03"}


def test_the_delivered_bytes_are_looked_at(make_desk: MakeDesk) -> None:
    desk = make_desk(html=LINK)
    result = desk.checked().check_result
    assert not [one for one in result["findings"] if one["code"][0] == "M"]
    assert len(result["passed"]) == 10
    assert "Mail programs can unsubscribe with one click" in result["passed"]


def test_what_is_wrong_with_the_bytes_is_a_finding(make_desk: MakeDesk) -> None:
    desk = make_desk(html=LINK)
    desk.sender.bounce_address = "bounce@elsewhere.example"
    desk.sender.from_address = "no-reply@library.example"
    db.session.commit()
    found = codes(desk)
    assert found["M04"]["severity"] == found["D01"]["severity"] == "warning"
    passed = desk.fresh().check_result["passed"]
    assert "From and envelope sender belong together" not in passed


def test_a_row_too_large_for_the_server_is_a_problem(make_desk: MakeDesk) -> None:
    desk = make_desk([person("a@example.org"), person("b@example.org", "x" * 9000)])
    desk.sender.server_size = 8000
    db.session.commit()
    (row,) = desk.checked().check_result["problem_rows"]
    assert row["row"] == 2
    assert "the server takes" in row["words"]


def test_the_link_to_stop_is_missed_once(make_desk: MakeDesk) -> None:
    found = codes(make_desk(html="<html lang=en>Dear {{ first_name }}"))
    assert "U01" in found
    assert "M06" not in found


def test_preview_and_check_show_it(client: PageClient, make_desk: MakeDesk) -> None:
    desk = make_desk([person("info@example.org")], html=LINK)
    campaign = desk.checked()
    place, template = f"/campaigns/{campaign.id}", desk.template.id
    db.session.rollback()
    page = client.get(f"{place}/check").text
    assert "Addresses of a function, not of a person: 1" in page
    assert "10 checks of the delivered message passed" in page
    page = client.get(f"{place}/preview").text
    assert "The text part comes first" in page
    assert "A link to unsubscribe can be seen" in page
    page = client.get(f"/message-templates/{template}/preview?view=delivered").text
    assert "Lines end with CRLF" in page
