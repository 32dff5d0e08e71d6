"""E-mail addresses: one strict reading, so that nothing else ever reaches an envelope.

What is refused here cannot smuggle: quoted local parts, comments, address lists, domain
literals, white space and control characters. What remains is a dot-atom, in any script
(RFC 5322 3.2.3, RFC 6531 3.3), at a domain with at least two labels, kept as A-labels
(RFC 5891).
"""

import re
import unicodedata

import idna

from webapp.composing.letter import Address

_ATEXT = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"
)
_LDH = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_MAX_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1
_MAX_ADDRESS = 254  # octets, RFC 5321 4.5.3.1.3 without the angle brackets
_MAX_LABEL = 63  # octets, RFC 1035 2.3.4
# The common case in one look: what it matches, the long way would not change but for
# the domain's case.
_COMMON = re.compile(
    r"([A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*)@"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})"
)
# What a display name holds only in quotes, so that a comma list can be read back.
_SPECIALS = frozenset('",\\')


class AddressError(ValueError):
    """A text that is not an e-mail address; ``words`` says why."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def parse_address(text: str) -> str:
    """Return the addr-spec that ``text`` is, its domain in lower-case A-labels.

    Raises
    ------
    AddressError
        If it is anything else.

    Examples
    --------
    >>> parse_address(" Ada.Lovelace@Bücher.Example ")
    'Ada.Lovelace@xn--bcher-kva.example'
    >>> parse_address("v@x.org> BODY=7BIT")
    Traceback (most recent call last):
        ...
    webapp.composing.addresses.AddressError: “x.org> body=7bit” is not a domain name.
    """
    common = _COMMON.fullmatch(text)
    if common and len(common[1]) <= _MAX_LOCAL and len(text) <= _MAX_ADDRESS:
        return f"{common[1]}@{common[2].lower()}"
    local, at, domain = text.strip(" \t").rpartition("@")
    if not at:
        raise AddressError(f"There is no @ in “{shown(text)}”.")
    addr = f"{_local_part(local)}@{_domain(domain)}"
    if len(addr.encode()) > _MAX_ADDRESS:
        raise AddressError(f"“{shown(text)}” is longer than {_MAX_ADDRESS} characters.")
    return addr


def address_key(addr: str) -> str:
    """Return what two spellings of one address have in common.

    The domain is compared as DNS does, the local part without regard to case: strictly
    it could matter (RFC 5321 2.4), but nobody gives two people addresses that differ
    so.

    Raises
    ------
    AddressError
        If it is not an address.

    Examples
    --------
    >>> address_key("Ada@BÜCHER.example") == address_key("ada@xn--bcher-kva.example")
    True
    """
    local, _, domain = parse_address(addr).rpartition("@")
    return f"{local.casefold()}@{domain}"


def domain_key(domain: str) -> str:
    """Return a domain as `address_key` has it.

    Raises
    ------
    AddressError
        If it is not a domain.

    Examples
    --------
    >>> domain_key("Example.ORG")
    'example.org'
    """
    return _domain(domain.strip(" \t"))


def parse_mailbox(text: str) -> Address:
    """Read one ``Name <addr>`` or bare address.

    Raises
    ------
    AddressError
        If the address is not one.

    Examples
    --------
    >>> parse_mailbox('"Lovelace, Ada" <ada@example.org>')
    Address(name='Lovelace, Ada', addr='ada@example.org')
    >>> parse_mailbox("ada@example.org")
    Address(name='', addr='ada@example.org')
    """
    bare = text.strip()
    if not bare.endswith(">"):
        return Address("", parse_address(bare))
    name, opened, addr = bare[:-1].rpartition("<")
    if not opened:
        raise AddressError(f"There is no < to the > in “{shown(text)}”.")
    return Address(_unquoted(name.strip()), parse_address(addr))


def parse_mailboxes(text: str) -> tuple[Address, ...]:
    """Read a comma list of mailboxes; the empty text is the empty list.

    Raises
    ------
    AddressError
        If one of them is not a mailbox.

    Examples
    --------
    >>> [box.addr for box in parse_mailboxes('a@example.org, "B, C" <bc@example.org>')]
    ['a@example.org', 'bc@example.org']
    """
    return tuple(parse_mailbox(part) for part in _split(text) if part.strip())


def written(box: Address) -> str:
    """Return a mailbox as a person would type it; `parse_mailboxes` reads it back.

    Examples
    --------
    >>> written(Address("Lovelace, Ada", "ada@example.org"))
    '"Lovelace, Ada" <ada@example.org>'
    """
    if not box.name:
        return box.addr
    name = box.name
    if any(char in _SPECIALS for char in name):
        name = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{name}"'
    return f"{name} <{box.addr}>"


def needs_smtputf8(addr: str) -> bool:
    """Say whether an address can only travel with SMTPUTF8 (RFC 6531)."""
    return not addr.isascii()


def shown(text: str) -> str:
    """Return somebody's input, short and printable, for a sentence about it."""
    return "".join(char if char.isprintable() else "�" for char in text.strip())[:80]


def _local_part(local: str) -> str:
    """Return the local part in NFC, if it is a dot-atom."""
    local = unicodedata.normalize("NFC", local)
    if not local:
        raise AddressError("There is nothing before the @.")
    if len(local.encode("utf-8", "replace")) > _MAX_LOCAL:
        raise AddressError(f"More than {_MAX_LOCAL} characters before the @.")
    if not all(local.split(".")):
        words = "Before the @, a dot may not come first, last or twice"
        raise AddressError(f"{words}: “{shown(local)}”.")
    if not all(char == "." or _is_atom_character(char) for char in local):
        words = "There is a character before the @ that may not be there"
        raise AddressError(f"{words}: “{shown(local)}”.")
    return local


def _is_atom_character(char: str) -> bool:
    """Say whether ``char`` is atext, or a letter of any script (RFC 6531 3.3)."""
    if char.isascii():
        return char in _ATEXT
    return unicodedata.category(char)[0] in "LMN"


def _domain(domain: str) -> str:
    """Return the domain in lower-case A-labels."""
    domain = domain.lower().removesuffix(".")
    if not domain:
        raise AddressError("There is nothing after the @.")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii").lower()
        except idna.IDNAError:
            words = f"“{shown(domain)}” is not a domain name."
            raise AddressError(words) from None
    labels = domain.split(".")
    if not all(_is_label(label) for label in labels):
        raise AddressError(f"“{shown(domain)}” is not a domain name.")
    if len(labels) == 1 or labels[-1].isdigit():
        raise AddressError(f"“{shown(domain)}” is not a full domain name.")
    return domain


def _is_label(label: str) -> bool:
    """Say whether ``label`` is one of a host name (RFC 1123 2.1)."""
    return (
        _LDH.issuperset(label)
        and 0 < len(label) <= _MAX_LABEL
        and not label.startswith("-")
        and not label.endswith("-")
    )


def _unquoted(name: str) -> str:
    """Return a display name without its quotes and backslashes."""
    if len(name) < 2 or not name.startswith('"') or not name.endswith('"'):  # noqa: PLR2004 - a pair of quotes
        return name
    kept: list[str] = []
    characters = iter(name[1:-1])
    for char in characters:
        kept.append(next(characters, "") if char == "\\" else char)
    return "".join(kept)


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside quotes."""
    parts = [""]
    quoted = escaped = False
    for char in text:
        if char == "," and not quoted:
            parts.append("")
            continue
        parts[-1] += char
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
    return parts
