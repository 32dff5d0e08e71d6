"""Limits, warm-up, pauses and stand-ins: from the form and the API into the sender."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ApiClient, PageClient
from tests.senders.factories import VALUES, make_sender
from tests.support.smtp_servers import RecordingServer
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.senders import domains, limiting, service
from webapp.senders.domains import DomainLimitError
from webapp.senders.models import Sender


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gmail.com", "no limit"),
        ("gmail.com lots", "no limit"),
        ("gmail.com 5/hour nonsense", "no limit"),
        ("gm ail.com 5/hour", "no limit"),
        ("-.. 5/hour", "no domain"),
        ("a.example 0/hour", "from 1 to"),
        ("a.example 5/hour\na.example 6/hour", "twice"),
        ("a.example 5/hour\nA.example 6/hour", "twice"),
    ],
)
def test_a_line_that_is_no_limit_is_said(text: str, words: str) -> None:
    with pytest.raises(DomainLimitError, match=words):
        domains.parse(text)


names = st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True) | st.just("*")
spans = st.sampled_from(["per_minute", "per_hour", "per_day"])
numbers = st.integers(1, domains.MOST)


@given(st.dictionaries(names, st.dictionaries(spans, numbers, min_size=1), max_size=5))
def test_what_is_written_is_read_as_it_was(limits: dict[str, dict[str, int]]) -> None:
    assert domains.parse(domains.written(limits)) == limits
    assert domains.checked(limits) == limits


@pytest.mark.usefixtures("app")
def test_a_ramp_begins_today_and_has_a_ceiling() -> None:
    sender = make_sender(warmup_start=20, warmup_ceiling=500)
    assert sender.warmup_from == now().date()
    with pytest.raises(Invalid) as caught:
        make_sender(name="Other", warmup_start=20, warmup_ceiling=10)
    assert "no fewer" in caught.value.fields["warmup_ceiling"][0]


@pytest.mark.usefixtures("app")
def test_who_cannot_stand_in_is_said_in_words() -> None:
    first = make_sender()
    dry = make_sender(name="Dry", kind="dry_run")
    old = make_sender(name="Old")
    db.session.get_one(Sender, old.id).archived_at = now()
    db.session.commit()
    second = make_sender(name="Second", fallback_ids=[first.id])
    third = make_sender(name="Third", fallback_ids=[second.id])
    expected = [
        ([first.id], "itself"),
        ([999], "does not exist"),
        ([dry.id], "another way"),
        ([old.id], "archived"),
        ([second.id], "circle"),
        ([third.id], "circle"),
    ]
    for ids, words in expected:
        values = {**service.form_values(service.get(first.id)), "fallback_ids": ids}
        with pytest.raises(Invalid) as caught:
            service.update(first.id, values)
        assert words in caught.value.fields["fallback_ids"][0]
    assert limiting.fallback_ids(first.id) == []
    assert limiting.fallback_ids(third.id) == [second.id]


@pytest.mark.usefixtures("app")
def test_a_sender_that_stands_in_for_another_stays() -> None:
    first = make_sender()
    make_sender(name="Second", fallback_ids=[first.id])
    with pytest.raises(Refused, match="Second"):
        service.delete(first.id)
    values = {**service.form_values(service.get(first.id)), "kind": "dry_run"}
    with pytest.raises(Invalid) as caught:
        service.update(first.id, values)
    assert "Second" in caught.value.fields["kind"][0]


def test_the_api_takes_and_gives_all_of_it(api: ApiClient) -> None:
    first = make_sender()
    asked = {
        "name": "Second",
        "from_address": "desk@example.org",
        "host": "127.0.0.1",
        "security": "none",
        "authentication": "none",
        "per_domain": {"Gmail.com": {"per_hour": 100}, "*": {"per_day": 9}},
        "warmup_start": 5,
        "warmup_ceiling": 50,
        "warmup_from": "2026-01-02",
        "retry_minutes": [2, 4, 8],
        "fallback_ids": [first.id],
    }
    answer = api.post("/senders", asked)
    assert answer.status_code == 201
    made = answer.get_json()
    given = {name: made[name] for name in asked if name != "per_domain"}
    assert given == {name: asked[name] for name in given}
    assert made["per_domain"]["gmail.com"] == {"per_hour": 100}
    assert made["today"] == {"used": 0, "most": 50, "is_warmup": True}
    change = {"retry_minutes": [3], "fallback_ids": []}
    changed = api.patch(f"/senders/{made['id']}", change).get_json()
    assert (changed["retry_minutes"], changed["fallback_ids"]) == ([3], [])
    assert changed["warmup_from"] == "2026-01-02"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("per_domain", {"gmail.com": {"per_hour": 0}}),
        ("per_domain", {"gmail.com": {"per_week": 5}}),
        ("per_domain", {"gmail.com": {"per_hour": True}}),
        ("per_domain", [1]),
        ("retry_minutes", [0]),
        ("retry_minutes", ["soon"]),
        ("retry_minutes", [10081]),
        ("warmup_from", "tomorrow"),
    ],
)
def test_the_api_refuses_what_makes_no_sense(
    api: ApiClient, field: str, value: object
) -> None:
    sender = make_sender()
    answer = api.patch(f"/senders/{sender.id}", {field: value})
    assert answer.status_code == 422
    assert [name.partition(".")[0] for name in answer.get_json()["fields"]] == [field]


def test_the_page_keeps_what_was_typed_and_shows_what_is_saved(
    client: PageClient,
) -> None:
    first = make_sender()
    typed = {
        **VALUES,
        "name": "Second",
        "fallback_ids-0": "",
        "fallback_ids-1": first.id,
    }
    wrong = client.submit("/senders/new", {**typed, "per_domain": "gmail.com ten"})
    page = wrong.get_data(as_text=True)
    assert wrong.status_code == 422
    assert "gmail.com ten</textarea>" in page
    good = {**typed, "per_domain": "gmail.com 10 an hour", "retry_minutes": "2, 9"}
    good |= {"warmup_start": "50", "warmup_ceiling": "400"}
    assert client.submit("/senders/new", good).status_code == 303
    sender = db.session.scalars(sa.select(Sender).filter_by(name="Second")).one()
    assert limiting.fallback_ids(sender.id) == [first.id]
    page = client.get(f"/senders/{sender.id}").get_data(as_text=True)
    assert "gmail.com 10/hour</textarea>" in page
    assert 'value="2, 9"' in page
    assert "Today 0 of 50 are used." in page
    assert "cap of the warm-up" in page
    assert f'<option value="{first.id}" selected>' in page
    other = client.get(f"/senders/{first.id}").get_data(as_text=True)
    assert "It stands in for" in other


@pytest.mark.usefixtures("app")
def test_a_test_learns_the_size_and_another_server_forgets_it() -> None:
    with RecordingServer(extensions=("SIZE 5000",)) as server:
        sender = make_sender(port=server.port)
        service.test(sender.id, None)
    assert service.get(sender.id).server_size == 5000
    values = {**service.form_values(service.get(sender.id)), "port": 2526}
    assert service.update(sender.id, values).server_size == 0


def test_the_list_shows_the_cap_of_today_and_who_stands_in(client: PageClient) -> None:
    first = make_sender(warmup_start=40, warmup_ceiling=400)
    make_sender(name="Second", fallback_ids=[first.id])
    page = client.get("/senders").get_data(as_text=True)
    assert "warm-up" in page
    assert "If unwell: Newsletter" in page
