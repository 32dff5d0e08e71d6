from collections.abc import Iterator
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from imaplib import Time2Internaldate
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mailboxes.conftest import access_to
from tests.mailboxes.samples import START
from tests.support.dovecot import Dovecot
from webapp.mailboxes import browsing, folder_search, zoned_days
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.query import (
    EVERYTHING,
    LARGEST_NUMBER,
    And,
    Contains,
    Dated,
    Flagged,
    Header,
    Larger,
    Not,
    Or,
    Query,
    QueryError,
    Smaller,
    Uids,
    UidSpan,
    When,
    Where,
)
from webapp.mailboxes.query_local import Facts, matches
from webapp.mailboxes.query_simplify import simplify
from webapp.mailboxes.query_text import parse

WORDS = ["ada", "Report", "a(b", "{5}", "NIL", "Grüße", "50%", 'q"q', "back\\slash"]
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "todo"]
#: The server's own days, and those of people on both sides of it.
ZONES = ["", "UTC", "America/Los_Angeles", "Pacific/Auckland"]
DAYS = [START.date() + timedelta(days=days) for days in (-1, 0, 1, 2)]


def corpus() -> list[tuple[EmailMessage, tuple[str, ...], Facts]]:
    """Mails of every kind of word and flag, and what is true of each."""
    made = []
    for number, (word, days) in enumerate(product(WORDS, (0, 1)), 1):
        flags = tuple(flag for bit, flag in enumerate(FLAGS) if number >> bit & 1)
        received = START + timedelta(days=days, hours=9 * (number % 3))
        sent = received - timedelta(days=1)
        mail = EmailMessage()
        mail["From"] = (
            f"{word} <p{number}@example.com>" if number % 2 else "ada@b.example"
        )
        mail["To"] = "desk@example.org"
        mail["Subject"] = f"{word} {number}"
        mail["Date"] = format_datetime(sent)
        mail["X-Kind"] = "even" if number % 2 == 0 else "odd"
        body = f"{word}\n" + "x" * 60 * number
        mail.set_content(body, cte="8bit")
        octets = mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        headers = tuple((name, str(value)) for name, value in mail.items())
        facts = Facts(
            number, frozenset(flags), len(octets), received, sent, headers, body
        )
        made.append((mail, flags, facts))
    return made


CORPUS = corpus()


@pytest.fixture(scope="module")
def folder(dovecot: Dovecot) -> str:
    """A login whose inbox holds the corpus."""
    client = dovecot.client("searches")
    for mail, flags, facts in CORPUS:
        octets = mail.as_bytes()
        when = Time2Internaldate(facts.received)
        assert client.append("INBOX", " ".join(flags), when, octets)[0] == "OK"
    client.logout()
    return "searches"


leaves: st.SearchStrategy[Query] = st.one_of(
    st.builds(
        Contains,
        st.sampled_from([Where.FROM, Where.TO, Where.SUBJECT, Where.BODY]),
        st.sampled_from(WORDS),
    ),
    st.builds(Flagged, st.sampled_from(FLAGS)),
    st.builds(Larger, st.integers(0, 2000)),
    st.builds(Smaller, st.integers(0, 2000)),
    st.builds(
        Dated, st.sampled_from(When), st.sampled_from(DAYS), st.sampled_from(ZONES)
    ),
    st.builds(Header, st.just("X-Kind"), st.sampled_from(["even", "odd", ""])),
    st.builds(UidSpan, st.integers(0, 30), st.sampled_from([4, 17, LARGEST_NUMBER])),
    st.builds(Uids, st.frozensets(st.integers(1, 30), max_size=5)),
)
queries = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def searching(dovecot: Dovecot, folder: str) -> Iterator[Connection]:
    """A connection to the corpus."""
    connection = connect(access_to(dovecot.port, folder))
    yield connection
    connection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries)
def test_server_finds_what_the_query_means(searching: Connection, query: Query) -> None:
    found = browsing.matching_uids(searching, b"INBOX", query)
    assert found == [facts.uid for _m, _f, facts in CORPUS if matches(query, facts)]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_any_kind_is_found(searching: Connection, word: str) -> None:
    found = browsing.matching_uids(searching, b"INBOX", Contains(Where.SUBJECT, word))
    assert found == [
        facts.uid
        for _mail, _flags, facts in CORPUS
        if word.casefold() in dict(facts.headers)["Subject"].casefold()
    ]


def test_an_empty_uid_set_finds_nothing(searching: Connection) -> None:
    assert browsing.matching_uids(searching, b"INBOX", Uids(frozenset())) == []


def test_a_uid_beyond_the_last_finds_nothing(searching: Connection) -> None:
    assert browsing.matching_uids(searching, b"INBOX", parse("uid:4000")) == []


@pytest.mark.parametrize("text", ["uid:4000:*", "uid:19:*", "uid:100000:300000"])
def test_a_span_beyond_the_last_finds_nothing(searching: Connection, text: str) -> None:
    assert len(CORPUS) == 18
    assert browsing.matching_uids(searching, b"INBOX", parse(text)) == []


def test_a_day_begins_where_the_operator_is(searching: Connection) -> None:
    day = DAYS[1].isoformat()
    found = {
        zone: browsing.matching_uids(searching, b"INBOX", parse(f"on:{day}", zone))
        for zone in ("UTC", "America/Los_Angeles", "Pacific/Auckland")
    }
    assert len({tuple(uids) for uids in found.values()}) == 3
    for zone, uids in found.items():
        here = {f.uid for _m, _f, f in CORPUS if on(f.received, zone) == DAYS[1]}
        assert set(uids) == here


def on(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def test_where_too_much_lies_around_midnight_the_server_decides(
    searching: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoned_days, "MOST", 3)
    query = parse(f"since:{DAYS[1]}", "Pacific/Auckland")
    found = browsing.matching_uids(searching, b"INBOX", query)
    assert found == [f.uid for _m, _f, f in CORPUS if on(f.received, "UTC") >= DAYS[1]]


def test_counting_agrees_with_finding(searching: Connection) -> None:
    query = parse("subject:report -is:flagged")
    found = browsing.matching_uids(searching, b"INBOX", query)
    assert browsing.count(searching, b"INBOX", query) == len(found) > 0


def test_search_goes_page_by_page(searching: Connection) -> None:
    query = parse("is:read OR is:unread")
    first = browsing.page(searching, b"INBOX", query, limit=10)
    rest = browsing.page(searching, b"INBOX", query, below=first.older, limit=10)
    uids = [row.uid for row in [*first.rows, *rest.rows]]
    assert uids == list(range(len(CORPUS), 0, -1))
    assert rest.older is None


def test_windows_lose_nothing(
    searching: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_search, "WINDOW", 3)
    query = parse("is:read OR is:unread")
    page = browsing.page(searching, b"INBOX", query, limit=50)
    assert len(page.rows) == len(CORPUS)


def test_a_search_out_of_time_can_go_on(
    searching: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_search, "SECONDS", -1.0)
    page = browsing.page(searching, b"INBOX", parse("subject:ada"))
    assert not page.complete
    assert page.older == len(CORPUS) + 1


@pytest.mark.parametrize("value", ["x\r\nA1 DELETE INBOX", "a\0b", "a\nb"])
def test_a_value_that_would_end_the_command_is_refused(
    searching: Connection, value: str
) -> None:
    with pytest.raises(QueryError):
        browsing.matching_uids(searching, b"INBOX", Contains(Where.SUBJECT, value))


def test_everything_counts_without_a_search(searching: Connection) -> None:
    assert browsing.count(searching, b"INBOX", EVERYTHING) == len(CORPUS)


def test_the_same_day_twice_is_one() -> None:
    day = Dated(When.ON, DAYS[0])
    assert simplify(And((day, day))) == day
    assert simplify(Not(Or((day, day)))) == Not(day)


@given(query=queries)
def test_the_simple_form_means_the_same(query: Query) -> None:
    for _mail, _flags, facts in CORPUS:
        assert matches(simplify(query), facts) == matches(query, facts)
