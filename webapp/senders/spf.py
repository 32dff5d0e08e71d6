"""SPF, as far as a sender's page needs it: does a domain's record permit an address.

Pure but for the questions, which the caller answers. Ten questions at most, as
receivers have it (RFC 7208 4.6.4); macros and ``exists`` depend on the single message,
so a record with them may end *unclear*.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Protocol

MOST_QUESTIONS = 10
MOST_HOSTS = 10
QUALIFIERS = "+-~?"


class Questions(Protocol):
    """What is asked of DNS."""

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name."""

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a host."""

    def mail_hosts(self, name: str) -> list[str]:
        """Return the hosts that take mail for a domain."""


class Verdict(StrEnum):
    """What a record says of an address (RFC 7208 2.6)."""

    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    BROKEN = "permerror"
    UNCLEAR = "unclear"


_OF_QUALIFIER = {
    "+": Verdict.PASS,
    "-": Verdict.FAIL,
    "~": Verdict.SOFTFAIL,
    "?": Verdict.NEUTRAL,
}


class _Broken(Exception):
    """The record cannot be evaluated; RFC 7208 calls it permerror."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism: ``-all``, ``include:_spf.example.org``, ``ip4:192.0.2.0/24``."""

    qualifier: str
    name: str
    value: str


def records_of(texts: list[str]) -> list[str]:
    """Return the SPF records among TXT records; there should be one.

    Examples
    --------
    >>> records_of(["v=spf1 -all", "v=spf10 x", "google-site-verification=x"])
    ['v=spf1 -all']
    """
    return [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]


def terms(record: str) -> Iterator[Term]:
    """Yield the terms of a record.

    Examples
    --------
    >>> [(one.qualifier, one.name, one.value) for one in terms("v=spf1 a/24 ~all")]
    [('+', 'a', '/24'), ('~', 'all', '')]
    """
    for word in record.split()[1:]:
        qualifier = word[0] if word[0] in QUALIFIERS else "+"
        rest = word.removeprefix(qualifier) if word[0] in QUALIFIERS else word
        at = min((rest.find(sign) for sign in ":=/" if sign in rest), default=len(rest))
        value = rest[at:] if rest[at : at + 1] == "/" else rest[at + 1 :]
        yield Term(qualifier, rest[:at].lower(), value)


class Evaluation:
    """One evaluation, which counts its questions."""

    def __init__(self, ask: Questions, address: str) -> None:
        self._ask = ask
        self._address = ip_address(address)
        self._questions = 0
        self._is_unclear = False

    def verdict(self, domain: str) -> Verdict:
        """Return what the record of a domain says of the address."""
        try:
            found = self._of_domain(domain)
        except _Broken:
            return Verdict.BROKEN
        unsure = found is not Verdict.PASS and self._is_unclear
        return Verdict.UNCLEAR if unsure else found

    def _of_domain(self, domain: str) -> Verdict:
        found = records_of(self._ask.texts(domain))
        if not found:
            return Verdict.NONE
        if len(found) > 1:
            raise _Broken
        redirect = ""
        for term in terms(found[0]):
            if term.name == "redirect":
                redirect = term.value
            elif self._matches(term, domain):
                return _OF_QUALIFIER[term.qualifier]
        if not redirect:
            return Verdict.NEUTRAL
        self._count()
        return self._included(redirect)

    def _included(self, domain: str) -> Verdict:
        """Return the verdict of another domain's record, which must be there."""
        verdict = self._of_domain(domain)
        if verdict is Verdict.NONE:
            raise _Broken
        return verdict

    def _matches(self, term: Term, domain: str) -> bool:
        if "%" in term.value or term.name in {"exists", "ptr"}:
            self._count()
            self._is_unclear = True
            return False
        if term.name in {"ip4", "ip6"}:
            return self._is_in(term.value)
        if term.name in {"a", "mx"}:
            return self._is_host(term, domain)
        return term.name == "all" or self._is_included(term)

    def _is_included(self, term: Term) -> bool:
        if term.name != "include":
            return False
        self._count()
        return self._included(term.value) is Verdict.PASS

    def _is_host(self, term: Term, domain: str) -> bool:
        self._count()
        name, slash, lengths = term.value.partition("/")
        name = name or domain
        hosts = [name]
        if term.name == "mx":
            hosts = self._ask.mail_hosts(name)[:MOST_HOSTS]
        length4, _slash, length6 = lengths.partition("//")
        length = length4 if isinstance(self._address, IPv4Address) else length6
        return any(
            self._is_in(f"{address}/{length}" if slash and length else address)
            for host in hosts
            for address in self._ask.addresses(host)
        )

    def _is_in(self, text: str) -> bool:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise _Broken from None
        address: IPv4Address | IPv6Address = self._address
        return address in network

    def _count(self) -> None:
        self._questions += 1
        if self._questions > MOST_QUESTIONS:
            raise _Broken
