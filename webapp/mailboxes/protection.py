"""Whether a mail is signed or encrypted, and by what; told by its form alone. Pure.

Nothing is checked or opened: a page says what the mail is, so that nobody takes a mail
without readable text for a broken one, or a signature for a proof.
"""

from enum import StrEnum

from webapp.mailboxes.mime import Parsed, Part

_ARMOURS = 64 * 1024


class Protection(StrEnum):
    """The ways in which a mail is protected."""

    SMIME_SIGNED = "smime_signed"
    SMIME_PACKED = "smime_packed"
    SMIME_ENCRYPTED = "smime_encrypted"
    PGP_SIGNED = "pgp_signed"
    PGP_ENCRYPTED = "pgp_encrypted"


#: RFC 8551 3.5.3, RFC 3156 5: the protocol of multipart/signed.
_SIGNED = {
    "application/pkcs7-signature": Protection.SMIME_SIGNED,
    "application/x-pkcs7-signature": Protection.SMIME_SIGNED,
    "application/pgp-signature": Protection.PGP_SIGNED,
}
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ARMOUR = {
    "-----BEGIN PGP MESSAGE-----": Protection.PGP_ENCRYPTED,
    "-----BEGIN PGP SIGNED MESSAGE-----": Protection.PGP_SIGNED,
}


def protection_of(mail: Parsed) -> Protection | None:
    r"""Return how a mail is protected, as a whole or in a part of it.

    >>> from webapp.mailboxes.mime import parse_mail
    >>> head = b"Content-Type: application/pkcs7-mime; smime-type=%b\r\n\r\nMIAG"
    >>> protection_of(parse_mail(head % b"enveloped-data")).value
    'smime_encrypted'
    >>> protection_of(parse_mail(b"Subject: Hi\r\n\r\nHello")) is None
    True
    """
    found = (_of_part(part) for part in mail.root.walk())
    return next((one for one in found if one), None) or _of_text(mail)


def _of_part(part: Part) -> Protection | None:
    protocol = part.parameters.get("protocol", "").lower()
    match part.mime_type:
        case "multipart/signed":
            return _SIGNED.get(protocol)
        case "multipart/encrypted" if protocol in ("application/pgp-encrypted", ""):
            return Protection.PGP_ENCRYPTED
        case kind if kind in _PKCS7:
            is_signed = part.parameters.get("smime-type", "").lower() == "signed-data"
            return Protection.SMIME_PACKED if is_signed else Protection.SMIME_ENCRYPTED
    return None


def _of_text(mail: Parsed) -> Protection | None:
    for part in mail.bodies("plain"):
        text = part.text()[:_ARMOURS].replace("\r\n", "\n")
        for armour, protection in _ARMOUR.items():
            if f"\n{armour}\n" in f"\n{text}\n":
                return protection
    return None
