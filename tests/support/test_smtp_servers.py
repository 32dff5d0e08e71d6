"""The recording server tells the truth, or every test that leans on it is worthless."""

import smtplib

import pytest

from tests.support.smtp_servers import (
    DROP,
    RECORD_THEN_DROP,
    RecordingServer,
    smtp_sink,
)

MAIL = b"Subject: x\r\n\r\n..dots\r\n"


def _send(port: int, *to: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail("desk@example.org", to, MAIL)


def test_it_records_who_was_sent_what() -> None:
    with RecordingServer() as server:
        _send(server.port, "ada@example.org", "bob@example.org")
        _send(server.port, "ada@example.org")
        server.wait_for(2)
    assert server.copies() == {"ada@example.org": 2, "bob@example.org": 1}
    assert server.mails[0].data == MAIL


def test_it_gives_each_scripted_answer_once() -> None:
    with RecordingServer() as server:
        server.answer("rcpt:bob@example.org", "550 5.1.1 No such user")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            _send(server.port, "bob@example.org")
        _send(server.port, "bob@example.org")
    assert server.copies() == {"bob@example.org": 1}


@pytest.mark.parametrize(("answer", "copies"), [(DROP, 0), (RECORD_THEN_DROP, 1)])
def test_it_can_hang_up_after_the_dot(answer: str, copies: int) -> None:
    with RecordingServer() as server:
        server.answer("dot", answer)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            _send(server.port, "ada@example.org")
    assert server.copies()["ada@example.org"] == copies


def test_smtp_sink_runs() -> None:
    with smtp_sink() as port:
        _send(port, "ada@example.org")
