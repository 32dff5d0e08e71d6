"""DKIM keys: made, put to use, rotated; sealed, and found nowhere else."""

import re

import pytest

from tests.conftest import ApiClient, PageClient
from tests.senders.factories import VALUES, make_sender
from tests.support.dkim_records import algorithms, verified
from tests.support.smtp_servers import RecordingServer
from webapp.composing.dkim import Algorithm, public_of_record
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.senders import keys, service, signing
from webapp.senders.models import DkimKey, KeyState

RSA = {"algorithm": "rsa"}
ED25519 = {"algorithm": "ed25519"}


@pytest.fixture
def sender_id(app: object) -> int:
    del app
    return make_sender().id


def selectors(sender_id: int) -> list[str]:
    """The selectors that sign for a sender now."""
    found = signing.signers(service.get(sender_id).from_address)
    db.session.rollback()
    return [one.selector for one in found]


def published(sender_id: int) -> dict[str, str]:
    """What an operator would publish for all keys."""
    found = keys.keys_of(service.get(sender_id))
    texts = {key.record_name: key.record_text for key in found}
    db.session.rollback()
    return texts


def test_a_new_key_waits_for_its_record(sender_id: int) -> None:
    key = keys.make(sender_id, RSA)
    assert key.state is KeyState.WAITING
    assert re.fullmatch(r"rsa-\d{8}", key.selector)
    assert selectors(sender_id) == []


def test_both_kinds_sign_side_by_side(sender_id: int) -> None:
    for values in (ED25519, RSA):
        keys.activate(sender_id, keys.make(sender_id, values).id)
    found = signing.signers("anybody@example.org")
    assert [one.algorithm for one in found] == list(Algorithm)


def test_rotation_signs_with_the_newer_key_and_remembers_the_older(
    sender_id: int,
) -> None:
    old = keys.make(sender_id, {**ED25519, "selector": "one"})
    keys.activate(sender_id, old.id)
    new = keys.make(sender_id, {**ED25519, "selector": "two"})
    assert selectors(sender_id) == ["one"]
    keys.activate(sender_id, new.id)
    assert selectors(sender_id) == ["two"]
    old = keys.get_key(sender_id, old.id)
    assert old.state is KeyState.RETIRED
    then = signing.signers("desk@example.org", old.activated_at)
    assert [one.selector for one in then] == ["one"]


def test_a_retired_key_signs_no_more(sender_id: int) -> None:
    key = keys.make(sender_id, ED25519)
    keys.activate(sender_id, key.id)
    keys.retire(sender_id, key.id)
    assert selectors(sender_id) == []


def test_a_key_that_signs_is_not_deleted(sender_id: int) -> None:
    key_id = keys.activate(sender_id, keys.make(sender_id, ED25519).id).id
    with pytest.raises(Refused):
        keys.delete(sender_id, key_id)
    keys.retire(sender_id, key_id)
    keys.delete(sender_id, key_id)
    assert db.session.get(DkimKey, key_id) is None


def test_a_selector_is_used_once(sender_id: int) -> None:
    keys.make(sender_id, {**ED25519, "selector": "news"})
    with pytest.raises(Invalid):
        keys.make(sender_id, {**RSA, "selector": "news"})
    names = {keys.make(sender_id, ED25519).selector for _ in range(3)}
    assert len(names) == 3


def test_keys_of_another_domain_are_not_ours(sender_id: int) -> None:
    key = keys.make(sender_id, ED25519)
    other = make_sender(name="Other", from_address="desk@example.com")
    with pytest.raises(NotFound):
        keys.activate(other.id, key.id)
    assert not keys.keys_of(service.get(other.id))


def test_a_key_copied_to_another_row_does_not_open(sender_id: int) -> None:
    one, two = (keys.make(sender_id, ED25519) for _ in range(2))
    two.private_sealed = one.private_sealed
    keys.activate(sender_id, two.id)
    assert selectors(sender_id) == []
    assert signing.unopened(keys.keys_of(service.get(sender_id))) == [two]


def test_a_key_is_loaded_once(sender_id: int) -> None:
    keys.activate(sender_id, keys.make(sender_id, RSA).id)
    (first,) = signing.signers("desk@example.org")
    assert signing.signers("desk@example.org")[0] is first


def test_the_private_half_is_on_no_page(client: PageClient, api: ApiClient) -> None:
    sender_id = make_sender().id
    answer = api.post(f"/senders/{sender_id}/keys", ED25519)
    assert answer.status_code == 201
    key = db.session.get_one(DkimKey, answer.json["id"])  # type: ignore[index]  # an object
    sealed = key.private_sealed
    db.session.rollback()
    pages = [
        client.get(f"/senders/{sender_id}/keys").get_data(as_text=True),
        api.get(f"/senders/{sender_id}/keys").get_data(as_text=True),
        client.get("/account/activity").get_data(as_text=True),
    ]
    for text in (*pages, sealed):
        assert "PRIVATE" not in text
    assert not any(sealed in page for page in pages)


def test_the_way_of_a_key_by_pages(client: PageClient) -> None:
    sender_id = make_sender().id
    place = f"/senders/{sender_id}/keys"
    assert "Nothing is signed yet" in client.get(place).get_data(as_text=True)
    assert client.submit(place, RSA).status_code == 303
    page = client.get(place).get_data(as_text=True)
    (key,) = keys.keys_of(service.get(sender_id))
    key_id, text, name = key.id, key.record_text, key.record_name
    db.session.rollback()
    assert name in page
    assert text in page
    pieces = re.search(r"IN TXT \( (.*?) \)", page)
    assert pieces
    parts = re.findall(r"&#34;([^&]*)&#34;", pieces[1])
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 255
    assert (public_of_record(text) or "none") in page
    assert "No key signs yet" in page
    client.submit(f"{place}/{key_id}/activate")
    assert "No key signs yet" not in client.get(place).get_data(as_text=True)
    assert client.submit(f"{place}/{key_id}/delete").status_code == 409
    client.submit(f"{place}/{key_id}/retire")
    assert client.get(f"{place}/{key_id}/delete").status_code == 200
    client.submit(f"{place}/{key_id}/delete")
    assert "Nothing is signed yet" in client.get(place).get_data(as_text=True)


def test_a_wrong_selector_is_said_at_its_field(client: PageClient) -> None:
    place = f"/senders/{make_sender().id}/keys"
    answer = client.submit(place, {**RSA, "selector": "a b."})
    assert answer.status_code == 422
    assert 'id="selector-error"' in answer.get_data(as_text=True)


def test_the_way_of_a_key_by_the_api(api: ApiClient) -> None:
    place = f"/senders/{make_sender().id}/keys"
    made = api.post(place, {**ED25519, "selector": "news"}).json
    assert made is not None
    assert made["record_name"] == "news._domainkey.example.org"
    assert made["state"] == "waiting"
    one = f"{place}/{made['id']}"
    assert api.post(f"{one}/activate").json["state"] == "active"  # type: ignore[index]  # an object
    assert api.delete(one).status_code == 409
    assert api.post(f"{one}/retire").json["state"] == "retired"  # type: ignore[index]  # an object
    assert api.delete(one).status_code == 204
    assert api.get(one).status_code == 404


def test_the_test_message_of_a_sender_is_signed(app: object) -> None:
    del app
    with RecordingServer() as server:
        sender_id = make_sender(**{**VALUES, "port": server.port}).id
        for values in (RSA, ED25519):
            keys.activate(sender_id, keys.make(sender_id, values).id)
        service.test(sender_id, "ada@example.com")
    (mail,) = server.mails
    assert algorithms(mail.data) == ["rsa", "ed25519"]
    assert verified(mail.data, published(sender_id)) == [True, True]
