"""Files that only one recipient gets: by name or id in a cell, and nobody else's."""

import io
from email import message_from_bytes
from typing import Any

import pytest
from flask import Flask

from tests.campaigns.conftest import Desk, MakeDesk, desk_of
from tests.conftest import ApiClient, PageClient
from webapp.campaigns import (
    attaching,
    checking,
    launching,
    messages,
    service,
    testing,
    uploads,
)
from webapp.campaigns.letters import finished, stationery_of
from webapp.campaigns.models import Campaign, Message, Upload
from webapp.campaigns.states import State, Status
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.operators.models import Operator

NAMES = ("ada", "zoe", "kofi")


def people(**cells: str) -> list[dict[str, Any]]:
    """Three people; the first name is the column that names files."""
    return [
        {"email": f"{name}@example.org", "first_name": cells.get(name, f"{name}.txt")}
        for name in NAMES
    ]


def ready(operator: Operator, **cells: str) -> Desk:
    """A campaign whose people each have a file of their own."""
    desk = desk_of(people(**cells), html="<p>Hello</p>", subject="Your file")
    service.edit(desk.campaign.id, attachment_column="first_name")
    files = [(f"{name}.txt", f"only for {name}".encode()) for name in NAMES]
    attaching.give(desk.campaign.id, operator, files)
    return desk


def carried(message: Message) -> dict[str, bytes]:
    """The files of a message as it leaves, by name."""
    assert message.campaign is not None
    data = finished(stationery_of(message.campaign), messages.letter(message)).data
    return {
        part.get_filename() or "": part.get_payload(decode=True)  # type: ignore[misc]  # a file has no parts
        for part in message_from_bytes(data).walk()
        if part.get_content_disposition() == "attachment"
    }


def test_each_gets_the_own_file_and_no_other(operator: Operator) -> None:
    desk = ready(operator)
    desk.launched()
    for name, message in zip(NAMES, desk.messages(), strict=True):
        assert carried(message) == {f"{name}.txt": f"only for {name}".encode()}


def test_several_none_and_a_file_for_all(operator: Operator) -> None:
    desk = ready(operator, ada="zoe.txt; ADA.TXT;kofi.txt", zoe="")
    attaching.attach(desk.campaign.id, operator, "all.txt", b"for all", "")
    desk.launched()
    found = [sorted(carried(message)) for message in desk.messages()]
    assert found[0] == ["ada.txt", "all.txt", "kofi.txt", "zoe.txt"]
    assert found[1:] == [["all.txt"], ["all.txt", "kofi.txt"]]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("nobody.txt", "There is no file “nobody.txt”."),
        ("ada.txt; nobody.txt", "There is no file “nobody.txt”."),
        ("../../etc/passwd", "There is no file"),
        ("0" * 32, "There is no file"),
        (";".join(f"{n}.txt" for n in range(11)), "more than 10 files"),
    ],
)
def test_a_name_without_a_file_is_a_problem_of_its_row(
    operator: Operator, cell: str, words: str
) -> None:
    desk = ready(operator, zoe=cell)
    campaign = desk.checked()
    (row,) = campaign.check_result["problem_rows"]
    assert (row["row"], row["class"]) == (2, "content")
    assert words in row["words"]
    assert campaign.state is State.DRAFT


def test_a_file_of_another_campaign_means_nothing(operator: Operator) -> None:
    desk = ready(operator, zoe="secret.txt")
    other = service.duplicate(desk.campaign.id, operator)
    attaching.give(other.id, operator, [("secret.txt", b"not yours")])
    assert desk.checked().check_result["problems"] == 1
    service.check(other.id)
    checking.run(other.id)
    rows = service.get(other.id).check_result["problem_rows"]
    assert [row["row"] for row in rows] == [1, 3]  # a copy has no files of its own


def test_an_upload_by_its_id_needs_no_campaign(operator: Operator) -> None:
    upload = uploads.store("bill.txt", b"bill", operator)
    desk = ready(operator, kofi=str(upload.public_id))
    desk.launched()
    assert sorted(carried(desk.messages()[2])) == ["bill.txt"]


def test_a_file_of_the_same_name_takes_the_place_of_the_one_before(
    operator: Operator,
) -> None:
    desk = ready(operator)
    attaching.give(desk.campaign.id, operator, [("Ada.txt", b"new")])
    desk.launched()
    assert carried(desk.messages()[0]) == {"Ada.txt": b"new"}


def test_what_is_launched_is_frozen(operator: Operator) -> None:
    desk = ready(operator)
    desk.launched()
    with pytest.raises(Refused):
        attaching.give(desk.campaign.id, operator, [("ada.txt", b"late")])
    assert b"only for ada" in carried(desk.messages()[0])["ada.txt"]


def test_files_that_go_between_check_and_launch_fail_their_row(
    operator: Operator,
) -> None:
    desk = ready(operator)
    campaign = desk.checked()
    launching.launch(campaign.id, 3, 0)
    db.session.query(Upload).filter_by(file_name="zoe.txt").update(
        {"campaign_id": None}
    )
    db.session.commit()
    launching.run(campaign.id)
    rows = desk.messages()
    assert [row.status for row in rows] == [
        Status.PENDING,
        Status.FAILED,
        Status.PENDING,
    ]
    assert (rows[1].reason_class, "zoe.txt" in rows[1].reason) == ("content", True)


def test_giving_and_taking_make_a_check_worthless(operator: Operator) -> None:
    desk = ready(operator)
    assert desk.checked().state is State.READY
    upload = db.session.query(Upload).filter_by(file_name="zoe.txt").one()
    attaching.take_away(desk.campaign.id, upload)
    assert desk.fresh().state is State.DRAFT
    assert desk.checked().check_result["problems"] == 1
    with pytest.raises(NotFound):
        attaching.take_away(desk.campaign.id, upload)


def test_a_column_that_went_is_said_before_the_check(operator: Operator) -> None:
    desk = ready(operator)
    service.edit(desk.campaign.id, attachment_column="bill")
    assert "no column “bill”" in desk.checked().check_result["blocking"][0]


def test_a_test_send_carries_the_files(app: Flask, operator: Operator) -> None:
    del app
    desk = ready(operator)
    attaching.attach(desk.campaign.id, operator, "all.txt", b"for all", "")
    sent = testing.send_to(operator, desk.campaign.id)
    assert sent.bodies is not None
    names = [one["filename"] for one in sent.bodies["attachments"]]
    assert names == ["all.txt", "ada.txt"]


def test_on_the_page(client: PageClient, make_desk: MakeDesk) -> None:
    desk = make_desk(people())
    place = f"/campaigns/{desk.campaign.id}/message"
    fields = {
        "message_template_id": desk.template.id,
        "sender_id": desk.sender.id,
        "attachment_column": "first_name",
        "attach": "1",
    }
    files = [(io.BytesIO(n.encode()), f"{n}.txt") for n in NAMES]
    db.session.rollback()
    assert client.submit(place, {**fields, "own_files": files}).status_code == 303
    page = client.get(place).text
    assert "3 files" in page
    assert '<option value="first_name" selected>' in page
    campaign = db.session.get_one(Campaign, desk.campaign.id)
    one = db.session.query(Upload).filter_by(file_name="ada.txt").one()
    taken = {**fields, "version": campaign.version, "take_away": str(one.public_id)}
    db.session.rollback()
    assert client.submit(place, taken).status_code == 303
    assert "ada.txt" not in client.get(place).text
    bad = {**fields, "own_files": [(io.BytesIO(b"MZ"), "run.exe")]}
    answer = client.submit(place, bad)
    assert (answer.status_code, "is a program" in answer.text) == (422, True)


def test_by_the_api(api: ApiClient, make_desk: MakeDesk) -> None:
    desk = make_desk(people())
    number = desk.campaign.id
    db.session.rollback()
    column = {"attachment_column": "first_name"}
    answer = api.patch(f"/campaigns/{number}", column)
    assert answer.json
    assert answer.json["attachment_column"] == "first_name"
    for name in NAMES:
        data = {"file": (io.BytesIO(b"x"), f"{name}.txt"), "campaign_id": number}
        assert api.post("/uploads", data=data).status_code == 201
    assert desk.checked().state is State.READY
    data = {"file": (io.BytesIO(b"x"), "a.txt"), "campaign_id": 999}
    assert api.post("/uploads", data=data).status_code == 404
