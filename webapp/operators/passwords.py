"""Passwords: Argon2id, length over composition, none that everybody tries first."""

import functools

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from webapp.core.errors import Invalid

SHORTEST = 12
LONGEST = 1024
_hasher = PasswordHasher()

# What attackers try first and is long enough to pass; compared case-folded.
COMMON = frozenset(
    """
    passwordpassword password1234 password12345 password123456 passw0rd1234
    qwertyuiop12 qwertyuiopas qwertyuiop123 qwerty123456 qwertyqwerty qwerty1234567
    123456789012 1234567890123 12345678901234 123456123456 1234567891011
    111111111111 000000000000 123123123123 abcdefghijkl abcdef123456 abcd12345678
    abcabcabcabc iloveyou1234 iloveyouiloveyou letmeinletmein letmein12345
    welcome12345 welcomewelcome administrator administrator1 adminadminadmin
    admin1234567 administrator123 changemechangeme changeme1234 changeme12345
    postroompostroom postroom1234 correcthorsebatterystaple trustno1trustno1
    monkeymonkey dragondragon sunshinesunshine princessprincess footballfootball
    baseballbaseball superman1234 batmanbatman 1q2w3e4r5t6y 1qaz2wsx3edc
    zaq12wsxcde3 qazwsxedcrfv asdfghjkl123 zxcvbnm12345
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def hash_password(password: str) -> str:
    """Return the Argon2id digest (RFC 9106) of a password that is good enough.

    Raises
    ------
    Invalid
        If it is too short, too long, or among the first that anybody would try.
    """
    problem = weakness(password)
    if problem:
        raise Invalid(problem, {"password": [problem]})
    return _hasher.hash(password)


def weakness(password: str) -> str | None:
    """Return what is wrong with a password, or nothing.

    Examples
    --------
    >>> weakness("tr1vial")
    'The password needs at least 12 characters; a few words in a row are fine.'
    >>> weakness("four words are good enough")
    """
    if len(password) < SHORTEST:
        return (
            f"The password needs at least {SHORTEST} characters; "
            "a few words in a row are fine."
        )
    if len(password) > LONGEST:
        return f"The password may have at most {LONGEST} characters."
    folded = password.casefold()
    if folded in COMMON or len(set(folded)) < 4:  # noqa: PLR2004 - aaaa…, abab…, abcabc…
        return "Many people use this password, so it is tried first. Take another one."
    return None


def matches(password_hash: str, password: str) -> bool:
    """Whether a password is the right one."""
    try:
        return _hasher.verify(password_hash, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(password_hash: str) -> bool:
    """Whether the digest was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


@functools.cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")


def spend_the_same_time(password: str) -> None:
    """Check against nobody's digest, so that an unknown e-mail answers no sooner."""
    matches(_nobody(), password)
