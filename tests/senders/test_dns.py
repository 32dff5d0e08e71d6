"""What DNS says of a sender: asked of a real server on loopback, put into words."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

import config
from tests.conftest import ApiClient, PageClient
from tests.senders.factories import VALUES, make_sender
from tests.support.dkim_records import PAIRS
from tests.support.dns_server import DnsServer, running, txt
from webapp.composing.dkim import Algorithm, record_name, record_text
from webapp.core.db import db
from webapp.core.dns import Asker, CannotAsk
from webapp.senders import asking_dns, keys, service
from webapp.senders.spf import Evaluation, Verdict

Table = dict[tuple[str, str], list[str]]
KEY = (record_name("example.org", "news"), "TXT")
OURS = txt(record_text(Algorithm.RSA, PAIRS[Algorithm.RSA].public))
GOOD: Table = {
    ("example.org", "TXT"): [txt("v=spf1 a:mail.example.org -all"), txt("other")],
    ("_dmarc.example.org", "TXT"): [txt("v=DMARC1; p=reject; adkim=s")],
    ("mail.example.org", "A"): ["127.0.0.1"],
    KEY: [OURS],
}


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    """A name server that knows a domain in good order; however busy the machine is."""
    patient = {"seconds": 60.0, "most": 600.0}
    monkeypatch.setattr(Asker.__init__, "__kwdefaults__", patient)
    with running(DnsServer(GOOD)) as server:
        yield server


def found(
    dns: DnsServer, domain: str = "example.org", envelope: str = "", signs: bool = True
) -> dict[str, tuple[str, str]]:
    """Ask about a domain with one key; severity and words by code."""
    pair = PAIRS[Algorithm.RSA]
    name = record_name(domain, "news")
    place = (domain, envelope or domain, "127.0.0.1")
    asked = asking_dns.look_up(Asker(dns.address), place, [(name, pair.public, signs)])
    return {one.code: (one.severity.value, one.words) for one in asked}


@pytest.fixture
def sender_id(app: Flask, settings: config.Settings, dns: DnsServer) -> int:
    """A sender with an active key, in an installation that asks that server."""
    app.config["POSTROOM"] = replace(settings, dns_server=dns.address)
    made = make_sender(host="127.0.0.1")
    key = keys.activate(made.id, keys.make(made.id, {"algorithm": "ed25519"}).id)
    dns.table[key.record_name, "TXT"] = [txt(key.record_text)]
    db.session.rollback()
    return made.id


def said(sender_id: int) -> dict[str, str]:
    """Ask for a sender; the words by code."""
    sender = asking_dns.ask(sender_id)
    shown = {one["code"]: one["words"] for one in asking_dns.findings_of(sender)}
    db.session.rollback()
    return shown


def test_a_domain_in_good_order(dns: DnsServer) -> None:
    shown = found(dns)
    assert {severity for severity, _words in shown.values()} == {"ok"}
    assert "is published and is our key" in shown["dkim"][1]
    assert "permits the addresses of 127.0.0.1" in shown["spf"][1]
    assert "is rejected" in shown["dmarc"][1]
    assert "signed by example.org itself" in shown["alignment"][1]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no record"),
        ([txt("v=DKIM1; k=rsa; p=MIIBother")], "another key than ours"),
        ([txt("v=DKIM1; k=rsa; p=")], "revoked"),
        (["ours", txt("v=DKIM1; p=MIIB")], "more than one record"),
        ([txt("something else")], "no record"),
    ],
)
def test_a_key_that_is_not_published_as_it_is(
    dns: DnsServer, records: list[str], words: str
) -> None:
    dns.table[KEY] = [OURS if one == "ours" else one for one in records]
    severity, shown = found(dns)["dkim"]
    assert (severity, words in shown) == ("warning", True), shown
    assert found(dns)["alignment"][0] == "info"


def test_a_key_of_two_pieces_is_ours(dns: DnsServer) -> None:
    assert OURS.count('" "') == 1
    assert found(dns)["dkim"][0] == "ok"


def test_a_long_answer_comes_by_tcp(dns: DnsServer) -> None:
    more = [txt(f"filler {n} " + "x" * 200) for n in "abc"]
    dns.table["example.org", "TXT"] = [*dns.table["example.org", "TXT"], *more]
    assert found(dns)["spf"][0] == "ok"
    assert dns.asked.count(("example.org", "TXT")) >= 2


@pytest.mark.parametrize(
    ("records", "severity", "words"),
    [
        ([], "warning", "has no SPF record"),
        (["v=spf1 -all", "v=spf1 ~all"], "warning", "more than one"),
        (["v=spf1 +all"], "warning", "permits everybody"),
        (["v=spf1 ip4:nonsense -all"], "warning", "cannot be evaluated"),
        (["v=spf1 include:gone.example -all"], "warning", "cannot be evaluated"),
        (["v=spf1 include:_spf.example.net -all"], "info", "include:_spf.example.net"),
        (["v=spf1 -all"], "info", "none is"),
    ],
)
def test_what_spf_says(
    dns: DnsServer, records: list[str], severity: str, words: str
) -> None:
    dns.table["_spf.example.net", "TXT"] = [txt("v=spf1 ip4:192.0.2.0/24 -all")]
    dns.table["example.org", "TXT"] = [txt(one) for one in records]
    shown = found(dns)["spf"]
    assert shown[0] == severity
    assert words in shown[1]


@pytest.mark.parametrize(
    ("records", "severity", "words"),
    [
        ([], "warning", "no DMARC record"),
        (["v=DMARC1; p=none"], "info", "watched only"),
        (["v=DMARC1; p=quarantine"], "ok", "is spam"),
        (["v=DMARC1; p=oops"], "warning", "no valid policy"),
        (["v=DMARC1; p=none", "v=DMARC1; p=none"], "warning", ""),
    ],
)
def test_what_dmarc_says(
    dns: DnsServer, records: list[str], severity: str, words: str
) -> None:
    texts = [txt(f"{one}; n={n}") for n, one in enumerate(records)]
    dns.table["_dmarc.example.org", "TXT"] = texts
    shown = found(dns)["dmarc"]
    assert shown[0] == severity
    assert words in shown[1]


def test_a_domain_below_follows_the_one_above(dns: DnsServer) -> None:
    dns.table["_dmarc.example.org", "TXT"] = [txt("v=DMARC1; p=none; sp=reject")]
    shown = found(dns, "news.example.org", signs=False)
    assert shown["dmarc"] == (
        "ok",
        "DMARC of example.org: what is not aligned is rejected.",
    )
    assert shown["alignment"][0] == "warning"
    assert "No key signs for news.example.org" in shown["dkim"][1]


def test_spf_counts_only_where_the_envelope_is_aligned(dns: DnsServer) -> None:
    assert "SPF alone" in found(dns, signs=False)["alignment"][1]
    for domain in ("bounces.example", "bounces.example.org"):
        dns.table[domain, "TXT"] = [txt("v=spf1 ip4:127.0.0.1 -all")]
    foreign = found(dns, envelope="bounces.example", signs=False)
    assert (foreign["spf"][0], foreign["alignment"][0]) == ("ok", "warning")
    own = found(dns, envelope="bounces.example.org", signs=False)
    assert own["alignment"][0] == "info"
    dns.table["_dmarc.example.org", "TXT"] = [txt("v=DMARC1; p=none; aspf=s")]
    strict = found(dns, envelope="bounces.example.org", signs=False)
    assert strict["alignment"][0] == "warning"


@pytest.mark.parametrize("how", ["broken", "silent", "nobody"])
def test_without_an_answer_it_says_so_in_time(
    app: Flask,
    sender_id: int,
    dns: DnsServer,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impatient = {"seconds": 0.5, "most": 600.0}
    monkeypatch.setattr(Asker.__init__, "__kwdefaults__", impatient)
    dns.broken, dns.silent = how == "broken", ["example.org"]
    if how == "nobody":
        settings = app.config["POSTROOM"]
        app.config["POSTROOM"] = replace(settings, dns_server="127.0.0.1:1")
    shown = said(sender_id)
    # Behind a question that has no answer no other is asked.
    assert not [name for name, _kind in dns.asked if name.startswith("_dmarc")]
    assert list(shown) == ["dns"]
    assert "DNS gave no answer about" in shown["dns"]


def test_all_questions_together_have_a_bound(dns: DnsServer) -> None:
    asker = Asker(dns.address, seconds=5, most=0.01)
    time.sleep(0.02)
    with pytest.raises(CannotAsk, match="too slowly"):
        asker.texts("example.org")


def test_what_was_said_about_another_domain_does_not_count(sender_id: int) -> None:
    said(sender_id)
    service.update(sender_id, {**VALUES, "from_address": "a@other.example"})
    sender = service.get(sender_id)
    assert asking_dns.findings_of(sender) == []
    assert sender.dns_asked_at is None


def test_the_button_on_the_page(client: PageClient, sender_id: int) -> None:
    place = f"/senders/{sender_id}/keys"
    assert "DNS was not asked yet" in client.get(place).text
    answer = client.submit(f"/senders/{sender_id}/dns")
    assert answer.headers["Location"].endswith("#dns")
    page = client.get(place).text
    assert "is published and is our key" in page
    assert "asked" in page
    assert "#dns" not in client.get(f"/senders/{sender_id}").text


def test_the_sender_page_names_what_is_not_in_order(
    client: PageClient, sender_id: int, dns: DnsServer
) -> None:
    dns.table["example.org", "TXT"] = dns.table["_dmarc.example.org", "TXT"] = []
    client.submit(f"/senders/{sender_id}/dns")
    page = client.get(f"/senders/{sender_id}").text
    assert "DNS: example.org has no SPF record. (and 1 more)" in page


def test_the_api_asks_and_shows(api: ApiClient, sender_id: int) -> None:
    before = api.get(f"/senders/{sender_id}/dns").json
    assert before == {"domain": "example.org", "asked_at": None, "findings": []}
    after: Any = api.post(f"/senders/{sender_id}/dns").json
    assert {one["severity"] for one in after["findings"]} == {"ok"}
    assert after["asked_at"]


ADDRESS = "192.0.2.7"


class Told:
    """Answers from a table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def texts(self, name: str) -> list[str]:
        return self.table.get((name, "TXT"), [])

    def addresses(self, name: str) -> list[str]:
        return self.table.get((name, "A"), [])

    def mail_hosts(self, name: str) -> list[str]:
        return self.table.get((name, "MX"), [])


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", Verdict.PASS),
        ("v=spf1 ip4:192.0.2.8 -all", Verdict.FAIL),
        ("v=spf1 ip6:2001:db8::/32 ~all", Verdict.SOFTFAIL),
        ("v=spf1 ?all", Verdict.NEUTRAL),
        ("v=spf1", Verdict.NEUTRAL),
        ("v=spf1 a -all", Verdict.PASS),
        ("v=spf1 a:other.example/24 -all", Verdict.PASS),
        ("v=spf1 a:other.example -all", Verdict.FAIL),
        ("v=spf1 mx -all", Verdict.PASS),
        ("v=spf1 include:in.example -all", Verdict.PASS),
        ("v=spf1 include:out.example -all", Verdict.FAIL),
        ("v=spf1 redirect=in.example", Verdict.PASS),
        ("v=spf1 redirect=gone.example", Verdict.BROKEN),
        ("v=spf1 include:loop.example -all", Verdict.BROKEN),
        ("v=spf1 exists:%{i}.x.example -all", Verdict.UNCLEAR),
        ("v=spf1 -ip4:192.0.2.7 +all", Verdict.FAIL),
        ("v=spf1 exp=why.example -all", Verdict.FAIL),
    ],
)
def test_spf_is_read_as_receivers_read_it(record: str, verdict: Verdict) -> None:
    table: Table = {
        ("d.example", "TXT"): [record],
        ("d.example", "A"): [ADDRESS],
        ("d.example", "MX"): ["mx.d.example"],
        ("mx.d.example", "A"): [ADDRESS],
        ("other.example", "A"): ["192.0.2.200"],
        ("in.example", "TXT"): ["v=spf1 ip4:192.0.2.7 -all"],
        ("out.example", "TXT"): ["v=spf1 -all"],
        ("loop.example", "TXT"): ["v=spf1 include:loop.example -all"],
    }
    assert Evaluation(Told(table), ADDRESS).verdict("d.example") is verdict


def test_eleven_questions_are_one_too_many() -> None:
    names = [f"n{n}.example" for n in range(11)]
    record = " ".join(["v=spf1", *(f"a:{name}" for name in names), "-all"])
    table: Table = {("d.example", "TXT"): [record], (names[-1], "A"): [ADDRESS]}
    assert Evaluation(Told(table), ADDRESS).verdict("d.example") is Verdict.BROKEN


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "127.0.0.1:5353", "[::1]:53", "::1", "[::1]", ""]
)
def test_a_resolver_is_an_address(settings: config.Settings, text: str) -> None:
    environ = {"DATA_DIR": str(settings.data_dir), "DNS_SERVER": text}
    assert config.read(environ).dns_server == text


@pytest.mark.parametrize("text", ["dns.example", "127.0.0.1:0", "127.0.0.1:99999", "x"])
def test_another_resolver_stops_the_start(settings: config.Settings, text: str) -> None:
    environ = {"DATA_DIR": str(settings.data_dir), "DNS_SERVER": text}
    with pytest.raises(config.SettingsError, match="DNS_SERVER"):
        config.read(environ)
