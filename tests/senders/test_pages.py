"""Senders in the browser: each verb, without JavaScript."""

from typing import Any

import pytest

from tests.conftest import PageClient
from tests.senders.factories import VALUES, make_sender
from tests.support.smtp_servers import RecordingServer
from webapp.core.db import db
from webapp.operators.models import Operator, Role
from webapp.senders import service

SIGNED_IN = {"authentication": "password", "login": "desk", "password": "s3cret-canary"}


def test_no_senders_yet(client: PageClient) -> None:
    page = client.get("/senders").get_data(as_text=True)
    assert "No way out yet" in page
    assert 'href="/senders/new"' in page


def test_the_list_shows_how_each_fared(client: PageClient) -> None:
    make_sender(name="Dry", kind="dry_run")
    service.test(make_sender(name="Broken", port=1).id, None)
    page = client.get("/senders").get_data(as_text=True)
    for words in ("Dry run: nothing leaves", "Not tested yet", "Nothing answers at"):
        assert words in page


def test_a_preset_fills_the_form(client: PageClient) -> None:
    page = client.get("/senders/new?preset=fastmail").get_data(as_text=True)
    assert 'value="smtp.fastmail.com"' in page
    assert 'value="465"' in page


def test_a_dry_run_needs_no_server(client: PageClient) -> None:
    page = client.get("/senders/new?kind=dry_run").get_data(as_text=True)
    assert 'name="host"' not in page
    data = {"name": "Dry", "kind": "dry_run", "from_address": "desk@example.org"}
    assert client.submit("/senders/new", data).status_code == 303
    assert service.all_senders()[0].kind == "dry_run"


def test_a_sender_is_created(client: PageClient) -> None:
    answer = client.submit("/senders/new", {**VALUES, **SIGNED_IN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/senders")
    assert "The sender “Newsletter” was saved." in client.get("/senders").get_data(
        as_text=True
    )


def test_a_wrong_form_comes_back_with_everything_but_the_password(
    client: PageClient,
) -> None:
    wrong: dict[str, Any] = {
        **VALUES,
        **SIGNED_IN,
        "from_address": "nobody",
        "host": "a b",
    }
    answer = client.submit("/senders/new", wrong)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'class="error-summary"' in page
    assert "There is no @ in “nobody”." in page
    assert 'value="a b"' in page
    assert "s3cret-canary" not in page
    assert not service.all_senders()


def test_what_the_service_refuses_stands_at_its_field(client: PageClient) -> None:
    page = client.submit("/senders/new", {**VALUES, "host": "9.9.9.9"}).get_data(
        as_text=True
    )
    assert 'id="host-error"' in page
    assert "ALLOWED_PRIVATE_HOSTS" in page


def test_a_sender_is_changed(client: PageClient) -> None:
    sender = make_sender(**SIGNED_IN)
    page = client.get(f"/senders/{sender.id}").get_data(as_text=True)
    assert "leave empty to keep it" in page
    assert "s3cret" not in page
    assert sender.password_sealed not in page
    data = {**VALUES, **SIGNED_IN, "password": "", "from_name": "Harbour", "version": 1}
    assert client.submit(f"/senders/{sender.id}", data).status_code == 303
    assert service.get(sender.id).from_name == "Harbour"


def test_an_older_form_is_not_saved_over_a_newer_one(client: PageClient) -> None:
    sender = make_sender()
    service.update(sender.id, {**VALUES, "from_name": "Maria"})
    answer = client.submit(f"/senders/{sender.id}", {**VALUES, "version": 1})
    assert answer.status_code == 409
    assert service.get(sender.id).from_name == "Maria"


def test_saving_and_testing_in_one(client: PageClient) -> None:
    with RecordingServer() as server:
        data = {**VALUES, "port": server.port, "then": "test", "send_one": "y"}
        page = client.submit("/senders/new", data).get_data(as_text=True)
    assert "“Newsletter” works" in page
    assert server.copies() == {"ines@example.org": 1}


def test_the_test_page_says_what_it_will_do(client: PageClient) -> None:
    page = client.get(f"/senders/{make_sender().id}/test").get_data(as_text=True)
    assert "signs in once" in page
    assert 'value="ines@example.org"' in page


def test_a_test_shows_the_failing_step(client: PageClient) -> None:
    with RecordingServer(credentials=("desk", "another")) as server:
        sender = make_sender(**SIGNED_IN, port=server.port)
        page = client.submit(f"/senders/{sender.id}/test", {}).get_data(as_text=True)
    assert "does not work yet" in page
    assert "does not accept this login and password" in page
    assert "535 5.7.8 Authentication credentials invalid" in page
    assert "Not tried" in page


def test_a_test_to_no_address(client: PageClient) -> None:
    answer = client.submit(f"/senders/{make_sender().id}/test", {"to": "nobody"})
    assert answer.status_code == 422


def test_a_reply_of_a_server_is_text(client: PageClient) -> None:
    with RecordingServer() as server:
        server.answer("dot", "550 5.7.1 <script>alert(1)</script>")
        sender = make_sender(port=server.port)
        page = client.submit(f"/senders/{sender.id}/test", {}).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_sender_is_deleted_after_a_question(client: PageClient) -> None:
    sender = make_sender()
    page = client.get(f"/senders/{sender.id}/delete").get_data(as_text=True)
    assert "Delete “Newsletter”?" in page
    answer = client.submit(f"/senders/{sender.id}/delete")
    assert answer.status_code == 303
    assert not service.all_senders()


def test_a_sender_in_use_stays(client: PageClient, used_sender: int) -> None:
    answer = client.submit(f"/senders/{used_sender}/delete")
    assert answer.status_code == 409
    assert "use this sender" in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["new", "{id}", "{id}/test", "{id}/delete"])
def test_nobody_but_a_manager_changes_anything(
    path: str, client: PageClient, operator: Operator
) -> None:
    sender = make_sender()
    operator.role = Role.SENDER
    db.session.commit()
    answer = client.submit(f"/senders/{path.format(id=sender.id)}", dict(VALUES))
    assert answer.status_code == 403
    assert [one.version for one in service.all_senders()] == [1]


def test_a_reader_sees_the_form_but_cannot_save(
    client: PageClient, operator: Operator
) -> None:
    sender = make_sender()
    operator.role = Role.READER
    db.session.commit()
    page = client.get(f"/senders/{sender.id}").get_data(as_text=True)
    assert '<fieldset class="stack" disabled>' in page
    assert "Save" not in page
