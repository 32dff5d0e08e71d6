"""SECURITY 20: Argon2id, length over composition, none that everybody tries first."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from tests.conftest import PASSWORD, PASSWORD_HASH, PageClient
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.operators import passwords, service
from webapp.operators.models import Operator


def test_the_digest_is_argon2id_with_todays_parameters() -> None:
    parameters = extract_parameters(PASSWORD_HASH)
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2
    assert PASSWORD not in PASSWORD_HASH


def test_two_digests_of_one_password_differ() -> None:
    assert passwords.hash_password(PASSWORD) != passwords.hash_password(PASSWORD)


@pytest.mark.parametrize(
    "password",
    ["", "short", "elevenchars", "PasswordPassword", "aaaaaaaaaaaaaa", "123456789012"],
)
def test_weak_ones_are_refused(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.hash_password(password)


@pytest.mark.parametrize(
    "password",
    ["only lower case words", "пароль из слов", "  spaces count  ", "x1" * 9 + "abc"],
)
def test_composition_is_nobodys_business(password: str) -> None:
    assert passwords.matches(passwords.hash_password(password), password)


def test_a_very_long_one_costs_no_more_than_a_long_one() -> None:
    assert not passwords.matches(PASSWORD_HASH, "x" * 5_000_000)
    with pytest.raises(Invalid):
        passwords.hash_password("ab c" * 1000)


def test_nothing_is_cut_off_silently() -> None:
    long = "four words " * 50
    digest = passwords.hash_password(long)
    assert not passwords.matches(digest, long[:-1])


def test_a_damaged_digest_lets_nobody_in() -> None:
    assert not passwords.matches("", "")
    assert not passwords.matches("$argon2id$broken", "x")


def test_an_old_digest_is_renewed_at_the_next_sign_in(operator: Operator) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    operator.password_hash = weak.hash(PASSWORD)
    db.session.commit()
    service.authenticate(operator.email, PASSWORD, None)
    db.session.refresh(operator)
    assert not passwords.needs_rehash(operator.password_hash)
    assert passwords.matches(operator.password_hash, PASSWORD)


def test_no_page_gives_a_password_back(
    anonymous: PageClient, operator: Operator
) -> None:
    tried = {"email": operator.email, "password": "canary-password"}
    assert "canary-password" not in anonymous.submit("/login", tried).text
