"""E-mail addresses: what is one, and when two are the same. Attacks: SECURITY 05."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.composing.addresses import (
    AddressError,
    address_key,
    domain_key,
    needs_smtputf8,
    parse_address,
    parse_mailbox,
    parse_mailboxes,
)
from webapp.composing.letter import Address


@pytest.mark.parametrize(
    ("text", "addr"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada@Example.COM", "Ada@example.com"),
        (" ada@example.com\t", "ada@example.com"),
        ("ada@example.com.", "ada@example.com"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("o'brien_x/y={z}@example.co.uk", "o'brien_x/y={z}@example.co.uk"),
        ("a@b@example.com".replace("a@b", "a"), "a@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("jo\u0308rg@example.com", "jörg@example.com"),
        ("山田@example.com", "山田@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_is_normalised(text: str, addr: str) -> None:
    assert parse_address(text) == addr
    assert parse_address(addr) == addr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ada.example.com", "no @"),
        ("@example.com", "nothing before the @"),
        ("ada@", "nothing after the @"),
        ("ada@gmail", "not a full domain name"),
        (".ada@example.com", "a dot may not come"),
        ("ada lovelace@example.com", "a character before the @"),
        ("ada@exa mple.com", "not a domain name"),
        ("ada@exa_mple.com", "not a domain name"),
        ("a" * 65 + "@example.com", "64 characters"),
        ("a@" + "b" * 60 + ("." + "c" * 60) * 4 + ".com", "254 characters"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(AddressError, match=words) as caught:
        parse_address(text)
    assert caught.value.words == str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("ADA@example.com", "ada@EXAMPLE.com", True),
        ("ada@bücher.example", "Ada@XN--BCHER-KVA.example", True),
        ("straße@example.com", "STRASSE@example.com", True),
        ("ada@example.com", "ada+x@example.com", False),
        ("a.da@example.com", "ada@example.com", False),
    ],
)
def test_the_key_of_an_address(one: str, other: str, *, is_same: bool) -> None:
    assert (address_key(one) == address_key(other)) is is_same


def test_the_key_of_a_domain() -> None:
    assert domain_key("Bücher.Example") == "xn--bcher-kva.example"


@given(st.text())
def test_no_text_makes_it_stumble(text: str) -> None:
    try:
        addr = parse_address(text)
    except AddressError:
        return
    assert parse_address(addr) == addr
    assert addr.isprintable()
    assert not set(addr) & set(' <>,;:()[]\\"')


def test_only_letters_beyond_ascii_need_smtputf8() -> None:
    assert needs_smtputf8(parse_address("jörg@example.com"))
    assert not needs_smtputf8(parse_address("jorg@bücher.example"))


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("ada@example.com", Address("", "ada@example.com")),
        ("<ada@example.com>", Address("", "ada@example.com")),
        ("Ada <ada@example.com>", Address("Ada", "ada@example.com")),
        (r'"A \"B\" \\ C" <a@example.com>', Address('A "B" \\ C', "a@example.com")),
        ("Ädä Ünal <a@example.com>", Address("Ädä Ünal", "a@example.com")),
        ('"<x@y.example>" <a@example.com>', Address("<x@y.example>", "a@example.com")),
    ],
)
def test_a_mailbox_with_its_name(text: str, box: Address) -> None:
    assert parse_mailbox(text) == box


@pytest.mark.parametrize("text", ["ada@example.com>", "Ada <ada@example.com> x", "Ada"])
def test_a_mailbox_that_is_none(text: str) -> None:
    with pytest.raises(AddressError):
        parse_mailbox(text)


@pytest.mark.parametrize(
    ("text", "addrs"),
    [
        ("", []),
        (" , ", []),
        ("a@x.example", ["a@x.example"]),
        ('a@x.example, "B, C" <b@x.example>,', ["a@x.example", "b@x.example"]),
    ],
)
def test_a_list_of_mailboxes(text: str, addrs: list[str]) -> None:
    assert [box.addr for box in parse_mailboxes(text)] == addrs


def test_one_bad_mailbox_refuses_the_list() -> None:
    with pytest.raises(AddressError):
        parse_mailboxes("a@x.example, b")
