from datetime import date

import pytest

from webapp.mailboxes.query import (
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
from webapp.mailboxes.query_text import parse

SEEN = Flagged("\\Seen")
ADA = Contains(Where.FROM, "ada")


def anywhere(word: str) -> Query:
    places = (Where.FROM, Where.TO, Where.SUBJECT)
    return Or(tuple(Contains(where, word) for where in places))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", And(())),
        ("is:unread", Not(SEEN)),
        ("IS:Read", SEEN),
        ("is:answered", Flagged("\\Answered")),
        ("from:ada", ADA),
        ('subject:"annual report"', Contains(Where.SUBJECT, "annual report")),
        (r'subject:"a \"b\" \\c"', Contains(Where.SUBJECT, r'a "b" \c')),
        ("hello", anywhere("hello")),
        ("12:30", anywhere("12:30")),
        ("http://a.example", anywhere("http://a.example")),
        ("-from:ada", Not(ADA)),
        ("--from:ada", Not(Not(ADA))),
        ("from:a-b", Contains(Where.FROM, "a-b")),
        ("larger:6k", Larger(6144)),
        ("smaller:2MB", Smaller(2 * 1024 * 1024)),
        ("since:2026-11-22", Dated(When.SINCE, date(2026, 11, 22))),
        ("sent-on:2026-11-22", Dated(When.SENT_ON, date(2026, 11, 22))),
        ("header:X-Spam:yes", Header("X-Spam", "yes")),
        ("header:List-Id", Header("List-Id", "")),
        ("keyword:todo", Flagged("todo")),
        ("uid:4,7:9", Uids(frozenset({4, 7, 8, 9}))),
        ("uid:9:*", UidSpan(9, 2**32 - 1)),
        ("uid:1:99999999", UidSpan(1, 99999999)),
        ("uid:4,9:*", Or((Uids(frozenset({4})), UidSpan(9, 2**32 - 1)))),
        ("is:read from:ada", And((SEEN, ADA))),
        ("is:read AND from:ada", And((SEEN, ADA))),
        ("is:read OR from:ada", Or((SEEN, ADA))),
        ("-(is:read OR from:ada)", Not(Or((SEEN, ADA)))),
        ("is:read (from:ada)", And((SEEN, ADA))),
    ],
)
def test_text_means(text: str, query: Query) -> None:
    assert parse(text) == query


def test_days_are_those_of_a_zone() -> None:
    query = parse("-(since:2026-11-22 is:read)", "Europe/Lisbon")
    day = Dated(When.SINCE, date(2026, 11, 22), "Europe/Lisbon")
    assert query == Not(And((day, SEEN)))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("is:purple", "is:unread"),
        ("from:", "from:"),
        ('from:"ada', "quotation mark"),
        ("(is:read", "parenthesis is open"),
        ("is:read)", "closing parenthesis"),
        ("OR is:read", "both sides"),
        ("is:read OR", "both sides"),
        ("()", "both sides"),
        ('""', "nothing between"),
        ("larger:big", "6k"),
        ("larger:99999m", "6k"),
        ("since:yesterday", "2026-11-22"),
        ("since:2026-02-30", "2026-11-22"),
        ("header:é:x", "header:Name"),
        ("keyword:a*b", "keyword"),
        ("uid:1:99999999999", "uid:1:99999999999"),
        ("uid:4294967296", "4294967295"),
        ("uid:x", "4,7:9"),
        ("from:a\r\nb", "line break"),
        ("a" * 1001, "1000 characters"),
        ("(" * 20 + "a" + ")" * 20, "deep"),
        ("a " * 150, "terms"),
    ],
)
def test_what_is_wrong_is_said(text: str, word: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert word in caught.value.words
