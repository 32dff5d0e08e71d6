"""Signing in and out."""

from tests.conftest import PASSWORD, PageClient
from webapp.operators.models import Operator


def test_right_password_opens_the_desk(
    anonymous: PageClient, operator: Operator
) -> None:
    answer = anonymous.submit("/login", {"email": operator.email, "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/")
    assert anonymous.get("/account").status_code != 303


def test_wrong_password_and_unknown_email_get_the_same_answer(
    anonymous: PageClient, operator: Operator
) -> None:
    wrong = anonymous.submit("/login", {"email": operator.email, "password": "no"})
    nobody = anonymous.submit("/login", {"email": "x@example.org", "password": "no"})
    assert wrong.status_code == nobody.status_code == 422
    assert "The e-mail or the password is not right." in wrong.text
    assert wrong.text.replace(operator.email, "") == nobody.text.replace(
        "x@example.org", ""
    )


def test_sign_out_closes_the_desk(client: PageClient) -> None:
    assert client.submit("/logout").status_code == 303
    assert client.get("/").location.startswith("/login")


def test_a_foreign_next_is_not_followed(
    anonymous: PageClient, operator: Operator
) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example"):
        answer = anonymous.submit(
            f"/login?next={target}", {"email": operator.email, "password": PASSWORD}
        )
        assert answer.location == "/"
