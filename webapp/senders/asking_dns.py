"""Asking DNS about a sender's From domain, and keeping what it said."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from flask import current_app

from webapp.core import clock, net
from webapp.core.db import db
from webapp.core.dns import Asker, CannotAsk
from webapp.operators import audit
from webapp.senders import domain_findings as say
from webapp.senders import keys, spf
from webapp.senders.domain_findings import DomainFinding, Published, Severity
from webapp.senders.models import DkimKey, KeyState, Sender, TransportKind
from webapp.senders.service import get


def ask(sender_id: int) -> Sender:
    """Ask DNS about a sender's domains, within seconds, and keep what it said.

    Raises
    ------
    NotFound
        If there is no such sender.
    """
    sender = get(sender_id)
    found = [
        (key.record_name, key.public, key.state is KeyState.ACTIVE)
        for key in keys.keys_of(sender)
        if key.state is not KeyState.RETIRED
    ]
    domain = keys.domain_of(sender)
    envelope = sender.bounce_address.rpartition("@")[2] or domain
    host = sender.host if sender.kind is TransportKind.SMTP else ""
    db.session.rollback()  # nothing is open while DNS is asked
    try:
        asker = Asker(current_app.config["POSTROOM"].dns_server)
        findings = list(look_up(asker, (domain, envelope, host), found))
    except CannotAsk as error:
        findings = [DomainFinding("dns", Severity.INFO, error.words)]
    sender = get(sender_id)
    sender.dns_asked_at = clock.now()
    sender.dns_findings = [{**asdict(one), "domain": domain} for one in findings]
    audit.record("sender.dns_asked", "sender", sender.id, sender.name)
    db.session.commit()
    return sender


def findings_of(sender: Sender) -> list[dict[str, str]]:
    """Return what DNS said about the From domain that the sender has now."""
    domain = keys.domain_of(sender)
    return [one for one in sender.dns_findings or () if one.get("domain") == domain]


def look_up(
    asker: Asker, place: tuple[str, str, str], found: Sequence[tuple[str, str, bool]]
) -> Iterator[DomainFinding]:
    """Yield the findings, asking as it goes.

    Parameters
    ----------
    place
        From domain, domain of the envelope sender, host of our server (may be empty).
    found
        Of each key: the name of its record, its public half, whether it signs.

    Raises
    ------
    CannotAsk
        If DNS gives no answer.
    """
    domain, envelope, host = place
    published = [
        Published(name, public, is_active, asker.texts(name))
        for name, public, is_active in found
    ]
    yield from map(say.of_key, published)
    if not any(key.is_active for key in published):
        yield say.no_key(domain)
    records = spf.records_of(asker.texts(envelope))
    verdicts = _verdicts(asker, envelope, host) if len(records) == 1 else []
    yield say.of_spf(envelope, records, host, verdicts)
    where, policy = _dmarc(asker, domain)
    yield say.of_dmarc(domain, where, policy)
    yield say.of_alignment(
        domain,
        envelope,
        policy[0] if len(policy) == 1 else "",
        has_dkim=any(key.is_active and key.is_ours for key in published),
        has_spf=bool(verdicts) and set(verdicts) == {spf.Verdict.PASS},
    )


def _verdicts(asker: Asker, envelope: str, host: str) -> list[spf.Verdict]:
    if not host:
        return []
    addresses = [host] if net.is_literal(host) else asker.addresses(host)
    return [spf.Evaluation(asker, one).verdict(envelope) for one in addresses]


def _dmarc(asker: Asker, domain: str) -> tuple[str, list[str]]:
    """Return the DMARC records that count, and whose they are."""
    for place in say.dmarc_places(domain):
        records = say.dmarc_records(asker.texts(f"_dmarc.{place}"))
        if records:
            return place, records
    return domain, []


def signs(sender: Sender) -> bool:
    """Whether any key signs for the From domain of a sender."""
    found: Sequence[DkimKey] = keys.keys_of(sender)
    return any(key.state is KeyState.ACTIVE for key in found)
