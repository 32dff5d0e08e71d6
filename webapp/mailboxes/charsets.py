"""Octets of strangers to text: any charset that mails name, and encoded words.

Pure, linear, and never raising: a mail can name any charset, lie about it, or hide
control characters in it. What comes out is text that a page can show; it is not safe as
HTML (the page escapes) and never goes into a header that we write.
"""

import base64
import binascii
import codecs
import re

LONGEST_NAME = 40
#: Names that mails use, and superset charsets that read the same octets better.
ALIASES = {
    "x-unknown": "utf-8",
    "unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "default": "utf-8",
    "unicode": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "utf8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "ansi_x3.110-1983": "cp1252",
    "iso-8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "x-ias-german": "cp1252",
    "cp-850": "cp850",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "tis-620": "cp874",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
}
#: Text codecs of Python that no mail means; each is slow, raising or both.
NOT_CHARSETS = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs"}
)

_WORD = re.compile(
    r"=\?([^?\s\x00-\x1f]{1,60})\?([bBqQ])\?([^?\x00-\x1f]*)\?=", re.ASCII
)


def codec_of(charset: str | None) -> str | None:
    """Return the Python codec for the charset that a mail names, or None.

    >>> [codec_of(name) for name in ("ISO-8859-1", "hex", "gb2312", "what")]
    ['cp1252', None, 'gb18030', None]
    """
    if not charset:
        return None
    name = charset.strip("\"' \t").lower().split("*")[0]
    if not name or len(name) > LONGEST_NAME or not name.isascii() or "\0" in name:
        return None
    try:
        info = codecs.lookup(ALIASES.get(name, name))
    except (LookupError, ValueError):
        return None
    is_text = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and info.name not in NOT_CHARSETS else None


def safe_decode(octets: bytes, charset: str | None = None) -> str:
    r"""Decode with the named charset; else as UTF-8; else as Windows-1252.

    Wrong octets become U+FFFD; lone surrogates (which UTF-7 can make) too.

    >>> safe_decode(b"Gr\xfc\xdfe", "iso-8859-1"), safe_decode(b"\xc3\x9f", "x-lie")
    ('Grüße', 'ß')
    """
    codec = codec_of(charset)
    if codec is None or codec == "utf-8":
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            if codec is not None and charset and charset.lower().startswith("utf"):
                return octets.decode("utf-8", "replace")
            return octets.decode("cp1252", "replace")
    text = octets.decode(codec, "replace")
    return text.encode("utf-8", "replace").decode("utf-8")


def decode_words(raw: str) -> str:
    """Decode the encoded words of a header value (RFC 2047), the rest as it is.

    White space between two encoded words falls away (6.2); neighbours in one charset
    are joined first, because mailers split characters between words.

    >>> decode_words("=?utf-8?q?Gr=C3=BC?= =?UTF-8?B?w59l?= !")
    'Grüße !'
    >>> decode_words("=?hex?q?41?= =?utf-8?b?*?=")
    '41 =?utf-8?b?*?='
    """
    out: list[str] = []
    pending: tuple[str, bytes] | None = None
    at = 0
    for found in _WORD.finditer(raw):
        octets = _word_octets(found[2], found[3])
        between = raw[at : found.start()]
        if octets is None:
            continue
        if pending and (between.strip(" \t\r\n") or not between):
            out.append(safe_decode(pending[1], pending[0]))
            pending = None
            out.append(between)
        elif pending is None:
            out.append(between)
        charset = found[1].lower()
        if pending and pending[0] == charset:
            pending = (charset, pending[1] + octets)
        else:
            out.append(safe_decode(pending[1], pending[0]) if pending else "")
            pending = (charset, octets)
        at = found.end()
    if pending:
        out.append(safe_decode(pending[1], pending[0]))
    return "".join([*out, raw[at:]])


def _word_octets(encoding: str, text: str) -> bytes | None:
    if not text.isascii():
        return None
    try:
        if encoding in "bB":
            bare = text.rstrip("=")
            if not bare:
                return b""
            return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        return binascii.a2b_qp(text.encode(), header=True)
    except (binascii.Error, ValueError):
        return None
