"""Appointments in mails: what, when, where and who; nothing hostile takes long."""

import time
from datetime import UTC, datetime

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import put
from tests.mailboxes.ugly import mixed
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import calendar_parts, folders
from webapp.mailboxes.calendar_parts import Event, When, events_of, read
from webapp.mailboxes.mime import parse_mail
from webapp.mailboxes.models import Mailbox

ZONE = (
    "BEGIN:VTIMEZONE\nTZID:{name}\nBEGIN:STANDARD\nDTSTART:16010101T000000\n"
    "TZOFFSETFROM:+0300\nTZOFFSETTO:{offset}\n"
    "RRULE:FREQ=SECONDLY;INTERVAL=1\nEND:STANDARD\nEND:VTIMEZONE"
)
TEXT = b"Content-Type: text/plain\r\n\r\nYou are invited.\r\n"


def calendar(*lines: str, method: str = "REQUEST", before: str = "") -> str:
    body = "\n".join(lines)
    return (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:{method}\n{before}\n"
        f"BEGIN:VEVENT\nUID:1\n{body}\nEND:VEVENT\nEND:VCALENDAR\n"
    )


def only(*lines: str, **more: str) -> Event:
    [event] = read(calendar(*lines, **more))
    return event


def starts(line: str, before: str = "") -> When:
    start = only(line, before=before).start
    assert start is not None
    return start


def mail(text: str, kind: str = "text/calendar", name: str = "") -> bytes:
    head = f"Content-Type: {kind}; charset=utf-8{name}\r\n\r\n"
    return mixed(TEXT, (head + text).encode())


INVITATION = calendar(
    "SUMMARY:Winter fair\\, first meeting",
    "DTSTART;TZID=America/New_York:20261201T090000",
    "DTEND;TZID=America/New_York:20261201T103000",
    "LOCATION:Reading room",
    "ORGANIZER;CN=Ada Byrne:mailto:ada@example.org",
    "ATTENDEE;CN=Bo;PARTSTAT=NEEDS-ACTION:mailto:bo@exam",
    " ple.org",
    "ATTENDEE:mailto:cy@example.org",
    "BEGIN:VALARM\nTRIGGER:-PT15M\nDTSTART:19990101T000000\nEND:VALARM",
)


def test_what_when_where_who() -> None:
    [event] = read(INVITATION)
    assert event.method == "REQUEST"
    assert (event.summary, event.location) == (
        "Winter fair, first meeting",
        "Reading room",
    )
    assert event.start == When(
        datetime(2026, 12, 1, 9, tzinfo=UTC),
        "America/New_York",
        datetime(2026, 12, 1, 14, tzinfo=UTC),
        is_day=False,
    )
    assert event.end
    assert event.end.instant == datetime(2026, 12, 1, 15, 30, tzinfo=UTC)
    assert event.organiser
    assert event.organiser.name == "Ada Byrne"
    assert [one.address for one in event.people] == ["bo@example.org", "cy@example.org"]
    assert not event.repeats


def test_names_of_zones_that_windows_has() -> None:
    start = starts("DTSTART;TZID=W. Europe Standard Time:20261201T090000")
    assert start.instant == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_a_zone_of_one_offset_is_known_by_it() -> None:
    before = ZONE.format(name="Office", offset="-0330")
    start = starts("DTSTART;TZID=Office:20261201T090000", before)
    assert (start.instant, start.zone) == (
        datetime(2026, 12, 1, 12, 30, tzinfo=UTC),
        "Office",
    )


def test_an_unknown_zone_leaves_the_wall_time() -> None:
    both = (
        ZONE.format(name="M", offset="+0100")
        + "\n"
        + ZONE.format(name="M", offset="+0200")
    )
    for before in ("", both):
        start = starts("DTSTART;TZID=M:20261201T090000", before)
        assert (start.instant, start.wall.hour) == (None, 9)


def test_days_end_on_the_last_one() -> None:
    event = only("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261204")
    assert event.start
    assert event.end
    assert (event.start.is_day, event.end.wall.day) == (True, 3)


def test_a_duration_is_an_end() -> None:
    event = only("DTSTART:20261201T090000Z", "DURATION:PT45M")
    assert event.end
    assert event.end.instant == datetime(2026, 12, 1, 9, 45, tzinfo=UTC)


def test_a_series_is_said_and_not_expanded() -> None:
    began = time.process_time()
    event = only("DTSTART:20261201T090000Z", "RRULE:FREQ=SECONDLY")
    assert event.repeats
    assert time.process_time() - began < 0.5


def test_answers_and_cancellations() -> None:
    event = only("ATTENDEE;PARTSTAT=DECLINED:mailto:bo@example.org", method="REPLY")
    assert (event.method, event.people[0].answer) == ("REPLY", "DECLINED")
    assert only("STATUS:CANCELLED").is_cancelled
    assert not only("STATUS:CONFIRMED").is_cancelled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BEGIN:VCALENDAR",
        "END:VEVENT\nEND:VCALENDAR",
        "BEGIN:VEVENT\nSUMMARY:outside\nEND:VEVENT",
        "BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:x\nEND:VTODO\nEND:VCALENDAR",
        "\0\0\0:;:;",
    ],
)
def test_what_is_no_appointment(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "DTSTART:99999999T000000",
        "DTSTART:99991231T235959Z",
        "DTSTART;TZID=../../etc/passwd:20261301T090000",
        "DTSTART;VALUE=PERIOD:20261201T090000Z/PT1H",
        "DTSTART",
        "DTSTART;TZID=:",
        "DTEND:20261201T090000Z",
        "DURATION:P99999999999999999W",
    ],
)
def test_a_time_that_is_none_leaves_the_rest(line: str) -> None:
    event = only("SUMMARY:Tea", line)
    assert (event.summary, event.start) == ("Tea", None)


BOMBS = (
    calendar(*["ATTENDEE;CN=x:mailto:a@example.org"] * 20_000),
    calendar("SUMMARY:" + "x" * 500_000),
    calendar("SUMMARY:a\n" + " b\n" * 100_000),
    calendar("DTSTART" + ";A=B" * 50_000 + ":20261201T090000Z"),
    calendar("ATTENDEE;CN=" + '"' * 100_000),
    "BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n" * 20_000,
    "BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\n" * 50_000,
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + "BEGIN:X\n" * 50_000,
    calendar("SUMMARY:x", before=ZONE.format(name="Z", offset="+0100") * 5_000),
    calendar("DTSTART;TZID=" + "A/" * 2000 + ":20261201T090000"),
)


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_hostile_calendars_take_no_time(bomb: str) -> None:
    source = mail(bomb)
    began = time.process_time()
    events = events_of(parse_mail(source))
    assert time.process_time() - began < 1.0
    assert len(events) <= calendar_parts.MOST_EVENTS
    assert all(len(one.people) <= calendar_parts.MOST_ATTENDEES for one in events)


def test_two_parts_that_say_the_same_are_one() -> None:
    one = f"Content-Type: text/calendar\r\n\r\n{INVITATION}".encode()
    two = f"Content-Type: application/ics; name=a.ics\r\n\r\n{INVITATION}".encode()
    assert len(events_of(parse_mail(mixed(TEXT, one, two)))) == 1


def test_the_page_and_the_api_show_it(
    client: PageClient, api: ApiClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    tnef = b"Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nx"
    big = b"Content-Type: application/zip\r\n\r\n" + b"z" * 80 * 1024 * 14
    part = f"Content-Type: text/calendar; method=REQUEST\r\n\r\n{INVITATION}".encode()
    hostile = INVITATION.replace("Winter", "<b>Winter")
    put(dovecot, login, mail(hostile), mixed(TEXT, big, part, tnef))
    inbox = folders.fresh(mailbox, force=True)[0]
    place = (mailbox.id, inbox.id)
    db.session.commit()
    for uid, name in ((1, "&lt;b&gt;Winter fair, first"), (2, "Winter fair, first")):
        page = client.get("/triage/{}/{}/{}".format(*place, uid)).get_data(as_text=True)
        assert name in page
        assert "1 Dec 2026, 14:00" in page
        assert ">15:30</time>" in page
        assert "Sent as 09:00 in the zone America/New_York." in page
        assert "calendar.ics" in page
    page = client.get("/triage/{}/{}/2".format(*place)).get_data(as_text=True)
    assert "Outlook's own packing (TNEF)" in page
    path = "/mailboxes/{}/folders/{}/mails/2?fields=events".format(*place)
    [event] = api.get(path).get_json()["events"]
    assert event["start"] == {
        "instant": "2026-12-01T14:00:00+00:00",
        "wall": "2026-12-01T09:00:00",
        "zone": "America/New_York",
    }
