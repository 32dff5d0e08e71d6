"""What two spellings of one address, domain or phone number have in common."""

import phonenumbers

from webapp.composing.addresses import AddressError, address_key, domain_key
from webapp.suppressions.models import Channel


def channel_of(text: str) -> Channel:
    """Say what somebody typed.

    Examples
    --------
    >>> texts = ("ada@example.org", "@example.org", "example.org", "+49 30 901820")
    >>> [channel_of(text).value for text in texts]
    ['email', 'domain', 'domain', 'phone']
    """
    text = text.strip()
    if "@" in text.lstrip("@"):
        return Channel.EMAIL
    return Channel.PHONE if text.startswith(("+", "00")) else Channel.DOMAIN


def suppression_key(channel: Channel, text: str) -> str:
    """Return the key under which an address is suppressed and looked up.

    Raises
    ------
    AddressError
        If it is not what the channel says.

    Examples
    --------
    >>> suppression_key(Channel.EMAIL, "Ada@Example.ORG")
    'ada@example.org'
    >>> suppression_key(Channel.DOMAIN, "@Bücher.example")
    'xn--bcher-kva.example'
    >>> suppression_key(Channel.PHONE, "0049 30 901820")
    '+4930901820'
    """
    if channel is Channel.EMAIL:
        return address_key(text)
    if channel is Channel.DOMAIN:
        return domain_key(text.strip().removeprefix("@"))
    return phone_key(text)


def phone_key(text: str) -> str:
    """Return a phone number in E.164.

    Raises
    ------
    AddressError
        If it is none, or has no country code.

    Examples
    --------
    >>> phone_key("+49 (30) 901820")
    '+4930901820'
    """
    text = text.strip().replace("\u00a0", " ")
    text = f"+{text[2:]}" if text.startswith("00") else text
    if not text.startswith("+"):
        raise AddressError("Begin with the country code, like +49 30 901820.")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise AddressError("Not a phone number.") from error
    if not phonenumbers.is_possible_number(number):
        raise AddressError("Not a possible phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
