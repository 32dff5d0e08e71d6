"""What DNS says about a From domain, in words: keys, SPF, DMARC and alignment.

Pure. Alignment is what a receiver asks in the end: is the domain that a reader sees the
one that DKIM signed, or that SPF vouched for (RFC 7489 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from webapp.composing.dkim import public_of_record, tags_of
from webapp.core.words import _
from webapp.senders.spf import Verdict, terms

DMARC = "v=DMARC1; p=none"


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class DomainFinding:
    """One finding: ``dkim``, ``spf``, ``dmarc``, ``alignment`` or ``dns``."""

    code: str
    severity: Severity
    words: str


@dataclass(frozen=True, slots=True)
class Published:
    """One of our keys, and the TXT records that were found under its name."""

    name: str
    public: str
    is_active: bool
    texts: Sequence[str]

    @property
    def is_ours(self) -> bool:
        """Whether exactly our key is published."""
        found = [public_of_record(text) for text in self.texts]
        return [one for one in found if one is not None] == [self.public]


def of_key(key: Published) -> DomainFinding:
    """Return the finding about one key that signs, or waits to."""
    found = [one for text in key.texts if (one := public_of_record(text)) is not None]
    values = {"name": key.name}
    if key.is_ours:
        words = _("The record %(name)s is published and is our key.", **values)
        return DomainFinding("dkim", Severity.OK, words)
    if not found:
        words = _("There is no record %(name)s yet. Publish it as shown.", **values)
    elif len(found) > 1:
        words = _("There is more than one record %(name)s. Keep ours.", **values)
    elif not found[0]:
        words = _("The record %(name)s says that the key is revoked.", **values)
    else:
        words = _(
            "The record %(name)s holds another key than ours. Publish it as shown; "
            "a part of it may be missing.",
            **values,
        )
    severity = Severity.WARNING if key.is_active else Severity.INFO
    return DomainFinding("dkim", severity, words)


def no_key(domain: str) -> DomainFinding:
    """Return the finding that nothing is signed."""
    words = _(
        "No key signs for %(domain)s: messages leave without DKIM.", domain=domain
    )
    return DomainFinding("dkim", Severity.WARNING, words)


def of_spf(
    domain: str, records: Sequence[str], host: str, verdicts: Sequence[Verdict]
) -> DomainFinding:
    """Return the finding about SPF.

    Parameters
    ----------
    domain
        Of the envelope sender: that is whose record counts.
    host
        Our mail server; empty where there is none.
    verdicts
        What the record says of each of its addresses.
    """
    problem = _spf_problem(domain, records, verdicts)
    if problem:
        return DomainFinding("spf", Severity.WARNING, problem)
    values = {"domain": domain, "host": host}
    if not verdicts:
        words = _("%(domain)s has an SPF record.", **values)
        return DomainFinding("spf", Severity.OK, words)
    if set(verdicts) == {Verdict.PASS}:
        words = _("SPF: %(domain)s permits the addresses of %(host)s.", **values)
        return DomainFinding("spf", Severity.OK, words)
    words = _(
        "SPF: %(domain)s does not name the addresses of %(host)s. That is right if it "
        "sends from others that are named (%(named)s); else add what your provider "
        "tells you.",
        named=", ".join(_named(records[0])) or _("none is"),
        **values,
    )
    return DomainFinding("spf", Severity.INFO, words)


def _spf_problem(
    domain: str, records: Sequence[str], verdicts: Sequence[Verdict]
) -> str:
    """Return what is wrong with the SPF record of a domain; empty if nothing is."""
    values = {"domain": domain}
    if not records:
        return _("%(domain)s has no SPF record.", **values)
    if len(records) > 1:
        return _("%(domain)s has more than one SPF record: none counts.", **values)
    if any(t.name == "all" and t.qualifier == "+" for t in terms(records[0])):
        return _("The SPF record of %(domain)s permits everybody (+all).", **values)
    if Verdict.BROKEN in verdicts:
        return _(
            "The SPF record of %(domain)s cannot be evaluated: an error in it, or "
            "more than ten look-ups.",
            **values,
        )
    return ""


def of_dmarc(domain: str, place: str, records: Sequence[str]) -> DomainFinding:
    """Return the finding about DMARC.

    Parameters
    ----------
    place
        The domain whose record it is: the From domain or one above it.
    """
    values = {"domain": domain, "place": place, "record": DMARC}
    if not records:
        words = _(
            "%(domain)s has no DMARC record, which large providers ask for. "
            "To begin with, publish “%(record)s” at _dmarc.%(domain)s.",
            **values,
        )
        return DomainFinding("dmarc", Severity.WARNING, words)
    if len(records) > 1:
        words = _("%(place)s has more than one DMARC record: none counts.", **values)
        return DomainFinding("dmarc", Severity.WARNING, words)
    policy = policy_of(records[0], is_below=place != domain)
    said = {
        "reject": _("DMARC of %(place)s: what is not aligned is rejected.", **values),
        "quarantine": _("DMARC of %(place)s: what is not aligned is spam.", **values),
        "none": _("DMARC of %(place)s: watched only (p=none).", **values),
    }
    if policy not in said:
        words = _("The DMARC record of %(place)s has no valid policy (p=).", **values)
        return DomainFinding("dmarc", Severity.WARNING, words)
    severity = Severity.INFO if policy == "none" else Severity.OK
    return DomainFinding("dmarc", severity, said[policy])


def of_alignment(
    domain: str, envelope: str, record: str, *, has_dkim: bool, has_spf: bool
) -> DomainFinding:
    """Return whether a message from the domain is aligned, and by what."""
    is_strict = tags_of(record).get("aspf") == "s"
    by_spf = has_spf and is_aligned(domain, envelope, is_strict=is_strict)
    values = {"domain": domain, "envelope": envelope}
    if has_dkim:
        words = _("Aligned: what is signed is signed by %(domain)s itself.", **values)
        return DomainFinding("alignment", Severity.OK, words)
    if by_spf:
        words = _(
            "Aligned by SPF alone (%(envelope)s), which forwarding breaks. Sign as "
            "well.",
            **values,
        )
        return DomainFinding("alignment", Severity.INFO, words)
    words = _(
        "The From domain %(domain)s is not aligned for DMARC: no published key signs, "
        "and SPF does not speak for it.",
        **values,
    )
    return DomainFinding("alignment", Severity.WARNING, words)


def policy_of(record: str, *, is_below: bool) -> str:
    """Return the policy of a DMARC record; ``sp`` counts for domains below it.

    Examples
    --------
    >>> policy_of("v=DMARC1; p=none; sp=reject", is_below=True)
    'reject'
    """
    tags = tags_of(record)
    policy = tags.get("p", "")
    return (tags.get("sp", policy) if is_below else policy).lower()


def is_aligned(domain: str, other: str, *, is_strict: bool = False) -> bool:
    """Whether two domains are aligned (RFC 7489 3.1.1).

    Examples
    --------
    >>> is_aligned("example.org", "bounce.example.org")
    True
    >>> is_aligned("example.org", "bounce.example.org", is_strict=True)
    False
    """
    if domain == other or is_strict:
        return domain == other
    return domain.endswith(f".{other}") or other.endswith(f".{domain}")


def dmarc_records(texts: Sequence[str]) -> list[str]:
    """Return the DMARC records among TXT records.

    Examples
    --------
    >>> dmarc_records(["v=DMARC1; p=none", "something else"])
    ['v=DMARC1; p=none']
    """
    return [text for text in texts if tags_of(text).get("v") == "DMARC1"]


def dmarc_places(domain: str) -> list[str]:
    """Return whose DMARC records count, nearest first: the domain and those above.

    Without a list of public suffixes the last two labels end it.

    Examples
    --------
    >>> dmarc_places("news.example.org")
    ['news.example.org', 'example.org']
    """
    labels = domain.split(".")
    return [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]


def _named(record: str) -> list[str]:
    """Return what a record names besides ``all``, as it is written there."""
    return [f"{t.name}:{t.value}" if t.value else t.name for t in terms(record)
            if t.name != "all"]  # fmt: skip
