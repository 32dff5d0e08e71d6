"""The special addresses behave on the wire as the lesson says."""

import smtplib
import time
from email import message_from_bytes, policy

import pytest

from tests.support.practice_servers import Servers
from webapp.pages.glossary import PRACTICE_ADDRESSES
from webapp.practice.lessons import Lesson

MAIL = (
    b"From: Desk <desk@example.com>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <one@desk.example>\r\n"
    b"List-Unsubscribe: <https://desk.example/u/1>,"
    b" <mailto:leave@desk.example?subject=leave%20t0k3n>\r\n"
    b"\r\nDear reader\r\n"
)


def test_the_help_page_explains_every_lesson() -> None:
    assert set(PRACTICE_ADDRESSES) == set(Lesson) - {Lesson.PLAIN}


@pytest.mark.parametrize(
    ("address", "reply"),
    [("bounce@example.com", (550, b"5.1.1")), ("full@example.com", (452, b"4.2.2"))],
)
def test_refusing_addresses(
    servers: Servers, address: str, reply: tuple[int, bytes]
) -> None:
    with servers.smtp() as client:
        client.mail("desk@example.com")
        code, words = client.rcpt(address)
    assert (code, words[:5]) == reply
    assert servers.inbox() == []


def test_a_refused_recipient_costs_the_others_nothing(servers: Servers) -> None:
    with servers.smtp() as client:
        refused = client.sendmail(
            "desk@example.com", ["ada@example.com", "bounce@example.com"], MAIL
        )
    assert list(refused) == ["bounce@example.com"]
    assert len(servers.inbox(1)) == 1


def test_slow_takes_its_time(servers: Servers) -> None:
    with servers.smtp() as client:
        start = time.monotonic()
        client.sendmail("desk@example.com", ["slow@example.com"], MAIL)
    assert time.monotonic() - start >= 0.5
    assert len(servers.inbox(1)) == 1


def test_later_defers_once_for_each_message(servers: Servers) -> None:
    other = MAIL.replace(b"<one@", b"<two@")
    with servers.smtp() as client:
        for mail in (MAIL, other):
            with pytest.raises(smtplib.SMTPDataError) as deferred:
                client.sendmail("desk@example.com", ["later@example.com"], mail)
            assert deferred.value.smtp_code == 451
        assert servers.inbox() == []
        client.sendmail("desk@example.com", ["later@example.com"], MAIL)
        client.sendmail("desk@example.com", ["later@example.com"], other)
    assert len(servers.inbox(2)) == 2


def test_dsn_is_accepted_and_bounces_afterwards(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("bounce+7@desk.example", ["dsn@example.com"], MAIL)
    report = message_from_bytes(servers.inbox(2)[1], policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report["To"] == "bounce+7@desk.example"
    assert report.get_param("report-type") == "delivery-status"
    _words, status, headers = report.iter_parts()
    assert status.get_content_type() == "message/delivery-status"
    assert "Status: 5.1.1" in str(status)
    assert "<one@desk.example>" in headers.get_content()


def test_reply_answers_in_the_thread(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("desk@example.com", ["reply@example.com"], MAIL)
    reply = message_from_bytes(servers.inbox(2)[1], policy=policy.default)
    assert reply["From"] == "reply@example.com"
    assert reply["To"] == "desk@example.com"
    assert reply["Subject"] == "Re: Grüße"
    assert reply["In-Reply-To"] == "<one@desk.example>"
    assert "> Dear reader" in reply.get_content()
    assert reply["Auto-Submitted"] is None


def test_away_says_that_it_is_automatic(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("desk@example.com", ["away@example.com"], MAIL)
    absence = message_from_bytes(servers.inbox(2)[1], policy=policy.default)
    assert absence["Auto-Submitted"] == "auto-replied"


def test_stop_unsubscribes_by_the_mail_address_offered(servers: Servers) -> None:
    with servers.smtp() as client:
        client.sendmail("desk@example.com", ["stop@example.com"], MAIL)
    goodbye = message_from_bytes(servers.inbox(2)[1], policy=policy.default)
    assert goodbye["To"] == "leave@desk.example"
    assert goodbye["Subject"] == "leave t0k3n"
    assert goodbye["From"] == "stop@example.com"


def test_robots_and_null_senders_are_not_answered(servers: Servers) -> None:
    automatic = b"Auto-Submitted: auto-replied\r\n" + MAIL
    with servers.smtp() as client:
        client.sendmail("desk@example.com", ["reply@example.com"], automatic)
        client.sendmail("", ["reply@example.com", "dsn@example.com"], MAIL)
        client.sendmail("desk@example.com", ["reply@example.com"], MAIL)
        servers.inbox(5)
        client.sendmail("desk@example.com", ["dsn@example.com"], MAIL)
    found = servers.inbox(7)
    while not any(b"multipart/report" in source for source in found):
        found = servers.inbox(len(found) + 1)
    assert len(found) == 7  # the report comes later than any answer before it


def test_bare_line_ends_are_refused(servers: Servers) -> None:
    with servers.smtp() as client:
        client.mail("desk@example.com")
        client.rcpt("ada@example.com")
        client.putcmd("DATA")
        client.getreply()
        client.send(b"Subject: x\r\n\r\none\ntwo\r\n.\r\n")
        code, words = client.getreply()
    assert (code, words[:5]) == (550, b"5.6.0")


def test_sizes_and_recipients_are_capped(servers: Servers) -> None:
    with servers.smtp() as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "25000000"
        client.mail("desk@example.com")
        replies = [client.rcpt(f"r{number}@example.com")[0] for number in range(101)]
    assert replies == [250] * 100 + [452]


def test_other_alphabets_need_smtputf8(servers: Servers) -> None:
    with servers.smtp() as client:
        client.putcmd("MAIL FROM:<desk@example.com>")
        client.getreply()
        client.command_encoding = "utf-8"
        assert client.docmd("RCPT TO:<jürgen@example.com>")[0] == 553
        client.rset()
        client.mail("desk@example.com", ["SMTPUTF8"])
        assert client.docmd("RCPT TO:<jürgen@example.com>")[0] == 250


def test_pipelined_commands_are_answered_in_order(servers: Servers) -> None:
    with servers.smtp() as client:
        client.ehlo()
        assert client.has_extn("pipelining")
        client.send(
            b"MAIL FROM:<desk@example.com>\r\nRCPT TO:<bounce@example.com>\r\n"
            b"RCPT TO:<ada@example.com>\r\nDATA\r\n"
        )
        codes = [client.getreply()[0] for _ in range(4)]
        client.send(MAIL + b".\r\nMAIL FROM:<desk@example.com>\r\n")
        codes += [client.getreply()[0] for _ in range(2)]
    assert codes == [250, 550, 250, 354, 250, 250]
