"""Names that imitate others by letters of another script; in the spirit of UTS 39.

Pure. A host is told by its labels, a name by its words. What is ordinary stays
unsaid: ``müller.example``, a name in Cyrillic, Japanese beside Latin.
"""

import re
import unicodedata

#: Scripts that are written together (UTS 39 5.2, "highly restrictive").
_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
#: Letters that look like a Latin one in most faces.
_ALIKE = frozenset(
    "асԁеһіјӏорԛѕухԝүҽԍᴠ"
    "АВЕЅІЈКМНОРСТХҮԌԜ"  # noqa: RUF001 - Cyrillic, large
    "οανρικυγοϲϳ"
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"  # noqa: RUF001 - Greek, large
    "օոսհցզԛ"  # noqa: RUF001 - Armenian
    "ɑɡıɩꞌᏟᎪᎢᏔᎻ"  # noqa: RUF001 - Latin of phonetics, Cherokee
)
#: Where a host all in one of these scripts is at home.
_HOMES = {
    "CYRILLIC": frozenset(
        [
            "ru",
            "su",
            "ua",
            "by",
            "bg",
            "rs",
            "mk",
            "kz",
            "kg",
            "mn",
            "tj",
            "uz",
            "me",
            "ba",
        ]
    ),
    "GREEK": frozenset({"gr", "cy", "eu"}),
    "ARMENIAN": frozenset({"am"}),
}
LONGEST_LABEL = 63
_SECOND_LEVEL = frozenset(
    [
        "ac",
        "co",
        "com",
        "edu",
        "gob",
        "gov",
        "go",
        "mil",
        "ne",
        "net",
        "nom",
        "or",
        "org",
    ]
)
_WORD = re.compile(r"\w+")


def script_of(letter: str) -> str:
    r"""Return the script of a letter; nothing for what belongs to all of them.

    >>> script_of("a"), script_of("\u0430"), script_of("語"), script_of("7")
    ('LATIN', 'CYRILLIC', 'CJK', '')
    """
    if not unicodedata.category(letter).startswith("L"):
        return ""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]


def _scripts(text: str) -> frozenset[str]:
    return frozenset(filter(None, map(script_of, text)))


def unicode_host(host: str) -> str:
    """Return a host as a reader would see it, without ``xn--``.

    >>> unicode_host("xn--mller-kva.example")
    'müller.example'
    """
    return ".".join(map(_unicode_label, host.lower().split(".")))


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > LONGEST_LABEL:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label


def ascii_host(host: str) -> str:
    """Return a host as computers write it.

    >>> ascii_host("müller.example")
    'xn--mller-kva.example'
    """
    return ".".join(map(_ascii_label, host.lower().split(".")))


def _ascii_label(label: str) -> str:
    if label.isascii() or len(label) > LONGEST_LABEL:
        return label
    folded = unicodedata.normalize("NFKC", label)
    if folded.isascii():
        return folded
    return "xn--" + folded.encode("punycode", "replace").decode("ascii")


def imitates(host: str) -> bool:
    r"""Say whether a host looks like another one.

    >>> imitates("p\u0430ypal.com"), imitates("xn--80ak6aa92e.com")
    (True, True)
    >>> imitates("müller.de"), imitates("почта.рф"), imitates("東京タワー.jp")
    (False, False, False)
    """
    labels = unicode_host(host).split(".")
    home = labels[-1]
    return any(
        _label_imitates(label, home) for label in labels[-10:] if not label.isascii()
    )


def _label_imitates(label: str, home: str) -> bool:
    if unicodedata.normalize("NFKC", label) != unicodedata.normalize("NFC", label):
        return True
    scripts = _scripts(label)
    if len(scripts) > 1:
        return not any(scripts <= together for together in _TOGETHER)
    letters = [letter for letter in label if letter.isalpha() and not letter.isascii()]
    at_home = home in _HOMES.get(next(iter(scripts), ""), ()) or not home.isascii()
    return bool(letters) and not at_home and all(one in _ALIKE for one in letters)


def mixed_word(text: str) -> str:
    r"""Return the first word in which foreign letters pass for Latin ones, or nothing.

    >>> ascii(mixed_word("Support of P\u0430ypal")), mixed_word("Ωmega")
    ("'P\\u0430ypal'", '')
    """
    for word in _WORD.findall(text):
        foreign = [one for one in word if script_of(one) not in ("", "LATIN")]
        if foreign and "LATIN" in _scripts(word) and all(o in _ALIKE for o in foreign):
            return str(word)
    return ""


def site(host: str) -> str:
    """Return the part of a host that somebody owns, as well as that can be guessed.

    >>> site("news.library.example"), site("mail.shop.co.uk"), site("[192.0.2.1]")
    ('library.example', 'shop.co.uk', '[192.0.2.1]')
    """
    if host.startswith("[") or host.replace(".", "").isdigit():
        return host
    labels = ascii_host(host).rstrip(".").split(".")
    is_country = len(labels[-1]) == len("uk")
    deep = is_country and labels[-2:-1] and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if deep else -2 :])
