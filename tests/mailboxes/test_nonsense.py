"""A server that says anything at all costs an answer, never a traceback."""

import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mailboxes.conftest import access_to
from tests.support.fake_imap import fake_imap
from webapp.mailboxes import browsing, changing, opening
from webapp.mailboxes.imap_errors import ImapError
from webapp.mailboxes.imap_signin import connect
from webapp.mailboxes.query_text import parse

PIECES = [
    b"(",
    b")",
    b'"',
    b"{3}\r\nabc",
    b"{0}\r\n",
    b"NIL ",
    b"UID 7 ",
    b"1 ",
    b"FLAGS ",
    b"\\Seen ",
    b"BODY[] ",
    b"BODYSTRUCTURE ",
    b"[UIDVALIDITY x] ",
    b"\xff\xfe",
    b"OK ",
    b"99999999999999999999 ",
]
STARTS = [
    b"1 FETCH (UID 7 ",
    b"2 FETCH (UID 8 FLAGS () BODY[] {3}\r\nabc ",
    b"3 FETCH ",
    b"LIST (",
    b"LIST () NIL ",
    b'STATUS "INBOX" (',
    b"SEARCH ",
    b"OK [",
    b"",
]
lines = st.builds(
    lambda start, pieces: b"* " + start + b"".join(pieces) + b"\r\n",
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(PIECES), max_size=12),
)
untagged = st.lists(lines, max_size=3).map(b"".join)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(answer=untagged)
def test_any_answer_is_an_answer_or_a_sentence(answer: bytes) -> None:
    exists = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 5] ok\r\n"
    script = {"EXAMINE": exists + answer, "SELECT": exists + answer}
    script |= dict.fromkeys(("LIST", "STATUS", "FETCH", "SEARCH", "STORE"), answer)
    with fake_imap(script) as server:
        connection = connect(access_to(server.port))
        with contextlib.suppress(ImapError):
            connection.list_folders()
            connection.status(b"INBOX")
        with contextlib.suppress(ImapError):
            browsing.page(connection, b"INBOX")
            browsing.page(connection, b"INBOX", parse("from:ada"))
        with contextlib.suppress(ImapError):
            opening.open_mail(connection, b"INBOX", 7)
        with contextlib.suppress(ImapError):
            changing.change_flags(connection, b"INBOX", [7], add=["\\Seen"], remove=[])
        connection.line.broken = True
        connection.close()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(greeting=st.one_of(st.binary(max_size=60), lines))
def test_any_greeting_is_a_sentence(greeting: bytes) -> None:
    with (
        fake_imap({"CAPABILITY": b"EOF"}, greeting=greeting + b"\r\n") as server,
        contextlib.suppress(ImapError),
    ):
        connect(access_to(server.port)).close()
