"""What comes back is told apart, and from everyday mail."""

import uuid
from collections import Counter

import pytest

from tests.triage.answering import About
from tests.triage.returned_mails import Case, all_of, ordinary
from webapp.campaigns import message_tokens
from webapp.campaigns.message_tokens import BOUNCE, MESSAGE_ID, UNSUBSCRIBE
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.mime import parse_mail
from webapp.triage.sorting import Sorted, needs_source, sort

KEY = b"key of the tests"
OURS = uuid.UUID(int=7)


def read(token: str, purpose: str) -> uuid.UUID | None:
    return message_tokens.read(KEY, token, purpose)


def token(purpose: str) -> str:
    return message_tokens.sign(KEY, OURS, purpose)


KNOWN = About(
    f"<{token(MESSAGE_ID)}@desk.example>",
    "ada@example.org",
    f"bounces+{token(BOUNCE)}@desk.example",
    f"unsubscribe {token(UNSUBSCRIBE)}",
)
CASES = all_of(KNOWN)


def sorted_of(source: bytes) -> Sorted:
    """Sort a mail as the sync does: the beginning, and the source where it is asked."""
    headers = parse_mail(source).headers
    text = source.partition(b"\r\n\r\n")[2][:2048]
    whole = source if needs_source(headers) else None
    return sort(Arrival(1, None, len(source), headers, text, whole), read)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_it_is_what_it_is(case: Case) -> None:
    made = sorted_of(case.source)
    assert made.kind.value == case.kind
    assert (made.hardness.value if made.hardness else "") == case.hardness
    assert (made.proof.public_id if made.proof else None) == (
        OURS if case.ties else None
    )


def test_there_are_many_of_each_kind() -> None:
    kinds = Counter(case.kind for case in CASES)
    assert len(CASES) > 100
    assert min(kinds.values()) > 5


def test_no_everyday_mail_is_taken_for_an_answer() -> None:
    mails = ordinary()
    assert len(set(mails)) == 200
    wrong = [mail for mail in mails if sorted_of(mail).kind.value != "other"]
    assert wrong == []


def test_most_mails_are_sorted_by_their_beginning() -> None:
    heads = [parse_mail(mail).headers for mail in ordinary()]
    assert sum(map(needs_source, heads)) < 50
