r"""Messages as one mbox file, in the form that can be undone (mboxrd).

Each message begins with a ``From `` line and ends with an empty one; lines are ended by
LF. A line of the message that begins with ``From ``, or with any number of ``>`` before
it, gets one more ``>``: a reader that takes it off has the message back, octet for
octet (https://www.loc.gov/preservation/digital/formats/fdd/fdd000385.shtml).
"""

import re
from datetime import datetime

_FROM = re.compile(rb"^(?=>*From )", re.MULTILINE)
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)


def entry(data: bytes, at: datetime) -> bytes:
    r"""Return one message as it stands in the file.

    Examples
    --------
    >>> from datetime import UTC
    >>> entry(b"A: b\r\n\r\nFrom me\r\n", datetime(2026, 11, 22, 7, 10, 3, tzinfo=UTC))
    b'From postroom Sun Nov 22 07:10:03 2026\nA: b\n\n>From me\n\n'
    """
    lines = data.replace(b"\r\n", b"\n")
    return b"From postroom %s\n%s\n" % (at.ctime().encode(), _FROM.sub(b">", lines))


def message_of(entry_text: bytes) -> bytes:
    r"""Return the message again, from what a reader of mbox files gives.

    Examples
    --------
    >>> message_of(b"A: b\n\n>From me\n")
    b'A: b\r\n\r\nFrom me\r\n'
    """
    return _QUOTED.sub(b"", entry_text).replace(b"\n", b"\r\n")
