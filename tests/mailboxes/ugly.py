"""Mails as no program should write them: one of each kind that broke somebody.

Each is what really comes from the network: octets, with CRLF unless the bare line end
is the point. `UGLY` names them; the large ones are made when they are asked for.
"""

import base64
from collections.abc import Callable, Iterator

from tests.mailboxes.samples import PNG

FROM = b"From: Ada Byrne <ada@example.org>\r\n"
TO = b"To: desk@example.org\r\n"
DATE = b"Date: Fri, 20 Nov 2026 07:12:41 +0000\r\n"
MIME = b"MIME-Version: 1.0\r\n"
OFFICE = "a\u202egnp.exe"


def plain(head: bytes, body: bytes = b"Hello\r\n") -> bytes:
    """Return a mail with a sender, other header lines and a text."""
    return FROM + TO + head + b"\r\n" + body


def dated(date: bytes) -> bytes:
    """Return a mail with that Date."""
    return plain(b"Date: " + date + b"\r\nSubject: dated\r\n")


def typed(kind: bytes, body: bytes, more: bytes = b"") -> bytes:
    """Return a mail of one part."""
    head = MIME + DATE + b"Subject: typed\r\nContent-Type: " + kind + b"\r\n" + more
    return plain(head, body)


def mixed(*parts: bytes, boundary: bytes = b"b") -> bytes:
    """Return a mail of several parts; each has its own header."""
    between = b"--" + boundary + b"\r\n"
    body = b"".join(between + part + b"\r\n" for part in parts)
    end = b"--" + boundary + b"--\r\n"
    return typed(b'multipart/mixed; boundary="' + boundary + b'"', body + end)


TEXT = b"Content-Type: text/plain\r\n\r\nSee the attachment.\r\n"


def attached(kind: bytes, content: bytes, name: bytes = b"") -> bytes:
    """Return a mail with an attachment, named as given."""
    head = b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n"
    head += b"Content-Disposition: attachment" + name + b"\r\n\r\n"
    return mixed(TEXT, head + base64.encodebytes(content))


def nested_parts(levels: int) -> bytes:
    """Return a mail of so many multiparts, one inside the other."""
    lines = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n" % 0]
    for level in range(levels):
        inner = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (level + 1)
        lines.append(b"--b%d\r\n" % level + inner)
    lines.append(TEXT)
    return plain(MIME + b"Subject: deep\r\n" + lines[0][:-2], b"".join(lines[1:]))


def nested_mails(levels: int) -> bytes:
    """Return a mail in a mail in a mail."""
    inner = b"Subject: level %d\r\nContent-Type: message/rfc822\r\n\r\n"
    return (
        plain(MIME, b"").removesuffix(b"\r\n")
        + b"".join(inner % level for level in range(levels))
        + b"Subject: innermost\r\n\r\nHello\r\n"
    )


def hostile_html() -> bytes:
    """Return HTML that wants to run, to load and to hide."""
    html = (
        "<html><body background='https://tracker.example/b.gif' onload=alert(1)>"
        "<script>alert(1)</script><style>@import 'https://tracker.example/x.css';"
        "p{background:url(https://tracker.example/p.gif</style>"
        "<svg><animate attributeName=href values='javascript:alert(1)'/></svg>"
        "<image src='https://tracker.example/i.png'>"
        "<input type=image src='https://tracker.example/j.png'>"
        "<a href='java&#10;script:alert(1)'>x</a><base href='https://evil.example/'>"
        "<form action='https://evil.example/'><button>Go</button></form>"
        "<div style='display:none'>hidden</div><p>Seen</p>"
    )
    return typed(b"text/html; charset=utf-8", html.encode())


SMALL: dict[str, bytes] = {
    # --- dates ---
    "year 9999": dated(b"Fri, 31 Dec 9999 23:59:59 -1200"),
    "year of 20 digits": dated(b"Fri, 31 Dec 99999999999999999999 23:59:59 +0000"),
    "year zero": dated(b"Fri, 31 Dec 0000 23:59:59 +0000"),
    "zone of a year": dated(b"Fri, 20 Nov 2026 07:12:41 +99999999"),
    "nonsense date": dated(b"yesterday, after tea"),
    "date of an encoded word": dated(b"=?utf-8?q?Fri,_20_Nov?="),
    "8-bit date": dated(b"Fri, 20 Nov\xff\xfe 2026"),
    "empty date": dated(b""),
    "two dates": dated(b"Fri, 20 Nov 2026 07:12:41 +0000\r\nDate: 1 Jan 1970"),
    # --- headers that are missing, double or empty ---
    "no header": b"\r\nOnly text\r\n",
    "only text": b"Only text, and no empty line before it\r\n",
    "nothing at all": b"\r\n",
    "no text": FROM + b"Subject: no text\r\n\r\n",
    "headers without end": FROM + b"Subject: ends in the header",
    "no From": TO + DATE + b"Subject: nobody\r\n\r\nHello\r\n",
    "empty From": b"From:\r\nTo:\r\nSubject:\r\nMessage-ID:\r\n\r\nHello\r\n",
    "several of each": (FROM + TO + b"Subject: one\r\n") * 3 + b"\r\nHello\r\n",
    "undisclosed": FROM + b"To: undisclosed-recipients:;\r\n\r\nHello\r\n",
    "group": FROM + b"To: Team: a@example.org, B <b@example.org>;, c@d\r\n\r\nx\r\n",
    # --- addresses ---
    "CR in a name": b'From: "Ada\rBcc: x" <ada@example.org>\r\n\r\nHello\r\n',
    "encoded CR LF in a name": (
        b"From: =?utf-8?q?a=0D=0ABcc:_x?= <a@b.example>\r\n\r\nHello\r\n"
    ),
    "unclosed domain literal": b"From: a@[\r\nTo: a@[1.2.3\r\n\r\nHello\r\n",
    "unclosed comments": b"From: " + b"(" * 5000 + b"\r\n\r\nHello\r\n",
    "comment for a name": b"From: (only a comment)\r\n\r\nHello\r\n",
    "one quote": b'From: "\r\nTo: "\r\n\r\nHello\r\n',
    "angles only": b"From: <>\r\nReply-To: <<>>\r\n\r\nHello\r\n",
    "8-bit name": b"From: J\xf6rg <j@example.org>\r\nTo: \xff\xfe\r\n\r\nHello\r\n",
    "NIL": b'From: NIL <NIL@NIL>\r\nSubject: NIL\r\nTo: "NIL" NIL\r\n\r\nNIL\r\n',
    "IMAP in a subject": plain(b'Subject: {5} (\\Seen) "x" ) * 1 FETCH (UID 9)\r\n'),
    "mixed scripts": (
        "From: =?utf-8?b?"
        + base64.b64encode("P\u0430ypal Support".encode()).decode()
        + "?= <x@example.org>\r\n\r\nHello\r\n"
    ).encode(),
    "turned name": (
        "From: =?utf-8?b?" + base64.b64encode(OFFICE.encode()).decode() + "?="
        " <x@example.org>\r\nSubject: \u202egnp.exe\r\n\r\nHello\r\n"
    ).encode(),
    # --- message ids ---
    **{
        f"Message-ID {text.decode()}": plain(
            b"Message-ID: " + text + b"\r\nReferences: " + text + b"\r\n"
        )
        for text in (b"<>", b"<", b"<abc@", b"<a@[", b"<[0a1b]@example.com>")
    },
    # --- encoded words and charsets ---
    "unknown charset": plain(b"Subject: =?x-martian?q?Caf=E9?=\r\n"),
    "charset that is none": plain(
        b"Subject: =?hex?q?41?= =?base64?q?41?= =?idna?q?x?= =?undefined?q?x?=\r\n"
    ),
    "bad base64 word": plain(b"Subject: =?utf-8?b?!!!?= =?utf-8?b?YQ?=\r\n"),
    "utf-7 with half a pair": plain(b"Subject: =?utf-7?q?+2D0-?=\r\n"),
    "split character": plain(b"Subject: =?utf-8?q?=C3?= =?utf-8?q?=BC?=\r\n"),
    "raw 8-bit subject": plain(b"Subject: Gr\xfc\xdfe \xe2\x82\xac \xff\r\n"),
    "text in a charset that is none": typed(b"text/plain; charset=hex", b"4141\r\n"),
    "charset of 5 000 letters": typed(
        b"text/plain; charset=" + b"x" * 5000, b"Hello\r\n"
    ),
    "charset with NUL": typed(b'text/plain; charset="utf\0-8"', b"Gr\xc3\xbc\r\n"),
    "gb2312 with Japanese": typed(
        b"text/plain; charset=gb2312", "日本語の手紙、東京".encode("gb18030")
    ),
    "iso-2022-jp": typed(
        b"text/plain; charset=iso-2022-jp", "日本語".encode("iso-2022-jp")
    ),
    "utf-16 that is none": typed(b"text/plain; charset=utf-16", b"Hello\xff\xff\r\n"),
    # --- structure ---
    "no boundary": typed(b"multipart/mixed", b"--b\r\n\r\nHello\r\n"),
    "boundary never comes": typed(b"multipart/mixed; boundary=b", b"Hello\r\n"),
    "boundary not closed": typed(
        b"multipart/mixed; boundary=b", b"--b\r\n" + TEXT + b"--b\r\n" + TEXT
    ),
    "8-bit boundary": mixed(TEXT, boundary=b"\xff\xfe"),
    "empty boundary": typed(b'multipart/mixed; boundary=""', b"--\r\n" + TEXT),
    "type of nothing": typed(b";;;=;", b"Hello\r\n"),
    "type with a star": typed(b'text/plain; name*; name*0*="x"', b"Hello\r\n"),
    "300 levels": nested_parts(300),
    "2 000 levels": nested_parts(2000),
    "1 500 mails in mails": nested_mails(1500),
    "a mail in a mail": mixed(
        TEXT, b"Content-Type: message/rfc822\r\n\r\n" + dated(b"x") + b"\r\n"
    ),
    "a bounce without its parts": typed(
        b"multipart/report; report-type=delivery-status; boundary=b",
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\n\r\n--b--\r\n",
    ),
    # --- attachments ---
    "TNEF": attached(
        b"application/ms-tnef",
        b"\x78\x9f\x3e\x22" + b"\0" * 900,
        b"; filename=winmail.dat",
    ),
    "calendar": mixed(
        TEXT,
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n"
        b"DTSTART;TZID=Mars:99999999T000000\r\nEND:VCALENDAR\r\n",
    ),
    "S/MIME": typed(
        b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
        base64.encodebytes(b"\x30\x80" * 300),
        b"Content-Transfer-Encoding: base64\r\n",
    ),
    "uuencode": plain(b"Subject: uu\r\n", b"begin 644 x.exe\r\n#0V%T\r\n`\r\nend\r\n"),
    "name with a path": attached(
        b"application/pdf", PNG, b'; filename="../../../etc/passwd"'
    ),
    "name with RFC 2231 nonsense": attached(
        b"application/pdf; name*=utf\0 8''x",
        PNG,
        b"; filename*=utf\0 8''a%ZZ%0D%0A.pdf",
    ),
    "name of 10 000 letters": attached(
        b"application/pdf", PNG, b'; filename="' + b"n" * 10_000 + b'"'
    ),
    "turned file name": attached(
        b"application/pdf", PNG, b"; filename*=utf-8''a%E2%80%AEgnp.exe"
    ),
    "broken base64": mixed(
        TEXT,
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n=A=!\r\n",
    ),
    "unknown transfer encoding": typed(
        b"text/plain", b"Hello\r\n", b"Content-Transfer-Encoding: x-rot13\r\n"
    ),
    "quoted-printable nonsense": typed(
        b"text/plain",
        b"=ZZ=\r\n=F\r\n=",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
    ),
    # --- HTML and line ends ---
    "hostile HTML": hostile_html(),
    "HTML of 20 000 levels": typed(b"text/html", b"<div>" * 20_000 + b"deep"),
    "bare LF": plain(b"Subject: bare LF\r\n", b"one\ntwo\n\nthree\n").replace(
        b"\r\n", b"\n"
    ),
    "bare CR": plain(b"Subject: bare CR\rX: y\r\n", b"one\rtwo\r\r\r\n"),
    "controls in a text": plain(
        b"Content-Type: text/plain; charset=utf-8\r\n",
        "one\x80\x01\x02\x1b[0mtwo \u202egnp.exe\r\n".encode(),
    ),
    "folded for ever": plain(b"Subject: a\r\n" + b" \t\r\n" * 3000 + b" b\r\n"),
    "a colon for a name": plain(b": no name\r\n:\r\nNo colon here\r\nSubject: c\r\n"),
}


def _words() -> bytes:
    return plain(b"Subject:" + b" word" * 200_000 + b"\r\n")


def _encoded_words() -> bytes:
    return plain(b"Subject:" + b"\r\n =?utf-8?q?w=C3=B6rd?=" * 20_000 + b"\r\n")


def _addresses() -> bytes:
    many = b",\r\n ".join(b'"N%d" <n%d@example.org>' % (n, n) for n in range(50_000))
    return FROM + b"To: " + many + b"\r\nSubject: to all\r\n\r\nHello\r\n"


def _commas() -> bytes:
    return FROM + b"To: " + b"," * 50_000 + b"\r\n\r\nHello\r\n"


def _parts() -> bytes:
    return mixed(*[b"\r\nx"] * 100_000)


def _parameters() -> bytes:
    many = b"".join(b";\r\n p%d=x" % n for n in range(20_000))
    return typed(b"text/plain" + many, b"Hello\r\n")


def _references() -> bytes:
    many = b"\r\n ".join(b"<%d@example.org>" % n for n in range(20_000))
    return plain(b"References: " + many + b"\r\nSubject: a long talk\r\n")


def _headers() -> bytes:
    return plain(b"".join(b"X-%d: x\r\n" % n for n in range(50_000)))


def _long_line() -> bytes:
    return plain(b"Subject: " + b"s" * 900_000 + b"\r\n", b"t" * 900_000 + b"\r\n")


def _large_html() -> bytes:
    row = b"<table><tr><td>cell<td style='color:red'>cell</table>\r\n"
    return typed(b"text/html", row * 60_000)


LARGE: dict[str, Callable[[], bytes]] = {
    "200 000 words in a subject": _words,
    "20 000 encoded words": _encoded_words,
    "50 000 addresses": _addresses,
    "50 000 commas": _commas,
    "100 000 parts": _parts,
    "20 000 parameters": _parameters,
    "20 000 references": _references,
    "50 000 header lines": _headers,
    "lines of 900 000 letters": _long_line,
    "3 MB of HTML": _large_html,
}


def corpus() -> Iterator[tuple[str, bytes]]:
    """Yield each mail with its name."""
    yield from SMALL.items()
    for name, make in LARGE.items():
        yield name, make()
