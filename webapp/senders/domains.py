"""Limits for each recipient domain, as people type them and as they are kept.

    gmail.com 100/hour 1000/day
    * 20/minute

``*`` stands for each domain that is not named, each with an allowance of its own. A
name stands for itself alone, not for what is below it. Kept they are
``{"gmail.com": {"per_hour": 100, "per_day": 1000}, "*": {"per_minute": 20}}``.
"""

import re
from collections.abc import Mapping
from typing import Any

from webapp.composing.addresses import AddressError, parse_address

SPANS = {"minute": 60, "hour": 3600, "day": 86400}
OTHERS = "*"
MOST = 10_000_000
MOST_DOMAINS = 200
_LIMIT = re.compile(r"(\d{1,9}) ?(?:/|a |an |per )? ?(minute|hour|day)s?", re.ASCII)


class DomainLimitError(ValueError):
    """What is wrong, in words."""


def parse(text: str) -> dict[str, dict[str, int]]:
    r"""Return limits from lines of text.

    Raises
    ------
    DomainLimitError
        If a line is none.

    Examples
    --------
    >>> parse("GMail.com 100/hour, 1000 a day\n* 20/minute")
    {'gmail.com': {'per_hour': 100, 'per_day': 1000}, '*': {'per_minute': 20}}
    """
    found: dict[str, Any] = {}
    for line in text.splitlines():
        domain, _space, rest = line.strip().partition(" ")
        if not domain:
            continue
        domain = domain.rstrip(":")
        if domain in found:
            raise DomainLimitError(f"“{domain}” stands there twice.")
        limits = {f"per_{span}": int(n) for n, span in _LIMIT.findall(rest)}
        if not limits or _LIMIT.sub("", rest).strip(" ,;"):
            raise DomainLimitError(
                f"“{line.strip()}” is no limit: write it as “gmail.com 100/hour”."
            )
        found[domain] = limits
    return checked(found)


def checked(given: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return limits whose names and numbers were checked.

    Raises
    ------
    DomainLimitError
        If one of them is wrong.
    """
    if len(given) > MOST_DOMAINS:
        raise DomainLimitError(f"At most {MOST_DOMAINS} domains can be named.")
    found: dict[str, dict[str, int]] = {}
    for name, limits in given.items():
        domain = _domain(name)
        if domain in found:
            raise DomainLimitError(f"“{domain}” stands there twice.")
        if not isinstance(limits, Mapping) or not limits:
            raise DomainLimitError(f"“{name}” needs limits such as per_hour.")
        found[domain] = {key: _number(name, key, n) for key, n in limits.items()}
    return found


def written(limits: Mapping[str, Mapping[str, int]]) -> str:
    """Return limits as lines of text.

    Examples
    --------
    >>> written({"gmail.com": {"per_hour": 100, "per_day": 1000}})
    'gmail.com 100/hour 1000/day'
    """
    return "\n".join(
        " ".join([domain, *(f"{n}/{key[4:]}" for key, n in of_it.items())])
        for domain, of_it in limits.items()
    )


def limits_of(
    limits: Mapping[str, Mapping[str, int]], domain: str
) -> Mapping[str, int]:
    """Return the limits that hold for one domain.

    Examples
    --------
    >>> limits_of({"*": {"per_day": 5}, "a.example": {"per_day": 9}}, "a.example")
    {'per_day': 9}
    """
    return limits.get(domain) or limits.get(OTHERS) or {}


def _domain(name: str) -> str:
    name = name.strip().lower().removeprefix("@")
    if name == OTHERS:
        return name
    try:
        return parse_address(f"x@{name}").rpartition("@")[2]
    except AddressError:
        raise DomainLimitError(f"“{name}” is no domain.") from None


def _number(name: str, key: str, number: Any) -> int:
    if key not in {f"per_{span}" for span in SPANS}:
        raise DomainLimitError(
            f"“{name}”: “{key}” is none of per_minute, per_hour and per_day."
        )
    if isinstance(number, bool) or not isinstance(number, int):
        raise DomainLimitError(f"“{name}”: {key} must be a whole number.")
    if not 1 <= number <= MOST:
        raise DomainLimitError(f"“{name}”: {key} must be from 1 to {MOST}.")
    return number
