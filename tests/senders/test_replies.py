"""Replies of servers, as the six classes of failures that operators know."""

import pytest

from webapp.senders.outcome import Trouble
from webapp.senders.replies import FAILURES, FailureClass, classify
from webapp.senders.smtp_reply import Lost, Reply, parse_reply

CASES = [
    (550, "5.1.1", "user unknown", FailureClass.ADDRESS),
    (550, "5.1.10", "null MX", FailureClass.ADDRESS),
    (550, "5.1.8", "sender domain not found", FailureClass.SENDER),
    (550, None, "User unknown in virtual mailbox table", FailureClass.ADDRESS),
    (550, None, "5xx", FailureClass.ADDRESS),
    (550, "5.2.1", "account disabled", FailureClass.ADDRESS),
    (550, "5.4.4", "no route", FailureClass.ADDRESS),
    (553, None, "sorry", FailureClass.ADDRESS),
    (552, "5.2.2", "over quota", FailureClass.BUSY),
    (552, None, "mailbox full", FailureClass.BUSY),
    (450, "4.2.0", "greylisted", FailureClass.BUSY),
    (452, "4.2.2", "full", FailureClass.BUSY),
    (451, None, "local error", FailureClass.BUSY),
    (550, "5.7.1", "spam", FailureClass.POLICY),
    (550, "5.7.26", "DMARC", FailureClass.POLICY),
    (550, None, "Message blocked by our policy", FailureClass.POLICY),
    (554, None, "transaction failed", FailureClass.POLICY),
    (552, "5.3.4", "too big", FailureClass.CONTENT),
    (552, None, "message size exceeds limit", FailureClass.CONTENT),
    (550, "5.6.0", "bad header", FailureClass.CONTENT),
    (535, "5.7.8", "bad credentials", FailureClass.SENDER),
    (530, "5.7.0", "authentication required", FailureClass.SENDER),
    (421, "4.7.0", "too many connections", FailureClass.NETWORK),
    (None, None, "", FailureClass.NETWORK),
]


@pytest.mark.parametrize(("code", "enhanced", "reply", "failure_class"), CASES)
def test_a_reply_has_its_class(
    code: int | None, enhanced: str | None, reply: str, failure_class: FailureClass
) -> None:
    assert classify(code, enhanced, reply).failure_class is failure_class


@pytest.mark.parametrize(
    ("trouble", "failure_class"),
    [
        (Trouble.AUTH, FailureClass.SENDER),
        (Trouble.TLS, FailureClass.SENDER),
        (Trouble.NETWORK, FailureClass.NETWORK),
    ],
)
def test_a_trouble_has_its_class(trouble: Trouble, failure_class: FailureClass) -> None:
    assert classify(550, "5.1.1", "x", trouble).failure_class is failure_class


def test_every_class_has_words() -> None:
    assert set(FAILURES) == set(FailureClass)
    assert len({failure.words for failure in FAILURES.values()}) == len(FailureClass)


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([b"250 Ok"], Reply(250, None, "Ok")),
        ([b"250"], Reply(250, None, "")),
        ([b"250 2.1.0 Ok"], Reply(250, "2.1.0", "2.1.0 Ok")),
        ([b"550-5.7.1 Go", b"550 5.7.1 away"], Reply(550, "5.7.1", "5.7.1 Go away")),
        ([b"550 \x1b[31mred\xff"], Reply(550, None, "�[31mred�")),
    ],
)
def test_a_reply_is_read(lines: list[bytes], reply: Reply) -> None:
    assert parse_reply(lines) == reply


@pytest.mark.parametrize("lines", [[b""], [b"25 x"], [b"650 x"], [b"250-a", b"550 b"]])
def test_what_is_no_reply_counts_as_a_lost_connection(lines: list[bytes]) -> None:
    with pytest.raises(Lost):
        parse_reply(lines)
