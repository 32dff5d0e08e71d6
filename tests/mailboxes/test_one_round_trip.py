"""A list in one round trip is the right one, whatever happened to the folder meanwhile.

The scripted server numbers mails as a real one does, and says what none would say in a
test: mails that leave in the middle of an answer, a refusal, an answer out of order.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mailboxes.conftest import access_to
from tests.support.fake_imap import FakeImap, fake_imap
from webapp.mailboxes import browsing
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import FolderGone, FolderRenumbered, Unreachable
from webapp.mailboxes.imap_signin import connect

BOX = b"Box"
PAGE = browsing.PAGE
_RANGE = re.compile(rb"(\d+)(?::(\d+))?")


class Scripted:
    """A folder with mails: the size of each says which mail it is."""

    def __init__(self) -> None:
        self.validity = 1
        self.uids: list[int] = []
        self.next_uid = 1
        self.leaving: list[int] = []
        self.partial = True
        self.stays_open = False
        self._session: list[int] = []

    def come(self, number: int) -> None:
        """Let mails arrive."""
        self.uids += range(self.next_uid, self.next_uid + number)
        self.next_uid += number

    def size(self, uid: int) -> int:
        return self.validity * 1_000_000 + uid

    def newest(self, limit: int = PAGE, below: int = 2**32) -> list[tuple[int, int]]:
        """Return what a page should show."""
        uids = [uid for uid in self.uids if uid < below]
        return [(uid, self.size(uid)) for uid in reversed(uids[-limit:])]

    def examine(self, heard: bytes) -> bytes:
        if BOX not in heard:
            self._session = self._session if self.stays_open else []
            return b"TAG NO [NONEXISTENT] no such folder\r\n"
        self._session = list(self.uids)
        told = (len(self.uids), self.validity, self.next_uid)
        return (
            b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n"
            % told
        )

    def fetch(self, heard: bytes) -> bytes:
        if b"<0." in heard and not self.partial:
            return b"TAG BAD no pieces\r\n"
        by_uid = b"UID FETCH" in heard
        asked = heard.split()[3 if by_uid else 2]
        spans = [(int(a), int(b or a)) for a, b in _RANGE.findall(asked)]
        if not by_uid and max(last for _, last in spans) > len(self._session):
            return b"TAG BAD no such number\r\n"
        wanted = [
            uid
            for number, uid in enumerate(self._session, 1)
            if any(a <= (uid if by_uid else number) <= b for a, b in spans)
        ]
        answer = [self._row(uid) for uid in wanted[: len(wanted) // 2]]
        if by_uid:
            answer += self._leave()
        rest = wanted[len(wanted) // 2 :]
        return b"".join([*answer, *(self._row(u) for u in rest if u in self._session)])

    def _row(self, uid: int) -> bytes:
        told = (self._session.index(uid) + 1, uid, self.size(uid))
        return b"* %d FETCH (UID %d FLAGS () RFC822.SIZE %d)\r\n" % told

    def _leave(self) -> Iterator[bytes]:
        """Let mails go in the middle of an answer: the others have new numbers then."""
        for uid in self.leaving:
            self.uids.remove(uid)
            yield b"* %d EXPUNGE\r\n" % (self._session.index(uid) + 1)
            self._session.remove(uid)
        self.leaving = []


@pytest.fixture
def box() -> Scripted:
    """A folder of 200 mails."""
    box = Scripted()
    box.come(200)
    return box


@pytest.fixture
def server(box: Scripted) -> Iterator[FakeImap]:
    """The server that has it."""
    with serving(box) as running:
        yield running


def serving(box: Scripted) -> AbstractContextManager[FakeImap]:
    return fake_imap({"EXAMINE": box.examine, "FETCH": box.fetch})


@pytest.fixture
def line(server: FakeImap) -> Iterator[Connection]:
    """A connection on which the folder was listed before."""
    with connected(server) as made:
        browsing.page(made, BOX)
        server.heard.clear()
        yield made


@contextmanager
def connected(server: FakeImap) -> Iterator[Connection]:
    made = connect(access_to(server.port))
    try:
        yield made
    finally:
        made.close()


def shown(
    line: Connection, below: int | None = None, limit: int = PAGE
) -> list[tuple[int, int | None]]:
    page = browsing.page(line, BOX, below=below, limit=limit)
    return [(row.uid, row.size) for row in page.rows]


def said(server: FakeImap) -> list[str]:
    return [" ".join(h.decode().split()[1:4]).split(" (")[0] for h in server.heard]


def test_nothing_happened(line: Connection, box: Scripted, server: FakeImap) -> None:
    assert shown(line) == box.newest()
    assert said(server) == ['EXAMINE "Box"', "UID FETCH 151:250"]


def test_some_came(line: Connection, box: Scripted, server: FakeImap) -> None:
    box.come(7)
    assert shown(line) == box.newest()
    assert len(server.heard) == 2


def test_very_many_came(line: Connection, box: Scripted, server: FakeImap) -> None:
    box.come(500)
    assert shown(line) == box.newest()
    assert said(server)[2:] == ["FETCH 651:700"]


def test_some_are_gone(line: Connection, box: Scripted, server: FakeImap) -> None:
    for uid in (200, 180, 3):
        box.uids.remove(uid)
    assert shown(line) == box.newest()
    assert said(server)[2:] == ["FETCH 148:149"]


def test_all_are_gone(line: Connection, box: Scripted, server: FakeImap) -> None:
    box.uids = []
    assert shown(line) == []
    assert len(server.heard) == 2
    box.come(2)
    assert shown(line) == box.newest()
    assert len(server.heard) == 4


def test_other_mails_have_the_uids_now(
    line: Connection, box: Scripted, server: FakeImap
) -> None:
    box.validity = 2
    assert shown(line) == box.newest()
    assert said(server)[2:] == ["FETCH 151:200"]
    with pytest.raises(FolderRenumbered):
        browsing.page(line, BOX, uidvalidity=1)


def test_what_a_closed_folder_still_says_is_not_shown(
    line: Connection, box: Scripted
) -> None:
    line.recent[b"Gone"] = line.recent[BOX]
    box.stays_open = True
    with pytest.raises(FolderGone):
        browsing.page(line, b"Gone")
    assert not line.broken
    assert line.selected is None


def test_mails_that_leave_in_the_middle_of_an_answer(
    line: Connection, box: Scripted, server: FakeImap
) -> None:
    box.leaving = [160, 170, 190]
    assert shown(line) == box.newest()
    assert said(server)[2:] == ['EXAMINE "Box"', "FETCH 148:197"]


def test_pieces_of_headers_are_asked_for_once_where_unknown(
    line: Connection, box: Scripted, server: FakeImap
) -> None:
    box.partial = False
    assert shown(line) == box.newest()
    server.heard.clear()
    assert shown(line) == box.newest()
    assert len(server.heard) == 2


def test_an_answer_ahead_of_the_folder_breaks_the_line(
    line: Connection, server: FakeImap
) -> None:
    def early(heard: bytes) -> bytes:
        tag = heard.split()[0]
        number = int(tag[-3:])
        return tag[:-3] + b"%03d OK done\r\n" % (number + 1)

    line.line.imap.tagnum = 100
    server.answers = {**server.answers, "EXAMINE": early}
    with pytest.raises(Unreachable, match="lost"):
        browsing.page(line, BOX)
    assert line.broken


@pytest.mark.parametrize("below", [151, 120, 30, 51, 2])
def test_an_older_page(
    line: Connection, box: Scripted, server: FakeImap, below: int
) -> None:
    assert shown(line, below=below) == box.newest(below=below)
    assert len(server.heard) == 2


def test_an_older_page_between_gaps(
    line: Connection, box: Scripted, server: FakeImap
) -> None:
    box.uids = [uid for uid in box.uids if uid % 10 == 0 or uid == 151]
    assert shown(line, below=151, limit=10) == box.newest(10, 151)
    assert said(server)[2:] == ["FETCH 6:14"]


def test_an_older_page_whose_anchor_is_gone(
    line: Connection, box: Scripted, server: FakeImap
) -> None:
    box.uids = [uid for uid in box.uids if not 60 < uid < 160]
    assert shown(line, below=151) == box.newest(below=151)
    assert len(server.heard) <= 5


steps = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(1, 130)),
        st.tuples(st.just("go"), st.integers(1, 90)),
        st.tuples(st.just("leave"), st.integers(1, 5)),
        st.tuples(st.just("renumber"), st.just(0)),
        st.tuples(st.just("list"), st.sampled_from([1, 10, 50, 80])),
        st.tuples(st.just("older"), st.integers(2, 300)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, chance=st.randoms(use_true_random=False))
def test_whatever_happens_the_page_is_right(
    steps: list[tuple[str, int]], chance: Random
) -> None:
    box = Scripted()
    with serving(box) as server, connected(server) as line:
        for what, number in [*steps, ("list", PAGE)]:
            some = chance.sample(box.uids, min(number, len(box.uids)))
            if what == "come":
                box.come(number)
            elif what == "go":
                box.uids = [uid for uid in box.uids if uid not in some]
                box.leaving = [uid for uid in box.leaving if uid in box.uids]
            elif what == "leave":
                box.leaving = some
            elif what == "renumber":
                box.validity += 1
            elif what == "list":
                assert shown(line, limit=number) == box.newest(number)
            else:
                assert shown(line, below=number) == box.newest(below=number)
