"""What a folder is for: by what the server says of it, or by its name. Pure."""

#: SPECIAL-USE attribute (RFC 6154) → our word for the role.
FLAGS = {
    "\\all": "all",
    "\\archive": "archive",
    "\\drafts": "drafts",
    "\\flagged": "flagged",
    "\\junk": "junk",
    "\\sent": "sent",
    "\\trash": "trash",
}
#: Role → last parts of names, case-folded, where the server tells of no such role.
NAMES = {
    "archive": frozenset(
        [
            "archive",
            "archives",
            "archiv",
            "archivo",
            "archivio",
            "archief",
        ]
    ),
    "drafts": frozenset(
        [
            "drafts",
            "draft",
            "entwürfe",
            "brouillons",
            "borradores",
            "bozze",
            "rascunhos",
            "concepten",
            "utkast",
        ]
    ),
    "junk": frozenset(
        [
            "junk",
            "spam",
            "junk e-mail",
            "junk email",
            "junk-e-mail",
            "bulk mail",
            "spamverdacht",
            "courrier indésirable",
            "indésirables",
            "correo no deseado",
            "posta indesiderata",
            "ongewenste e-mail",
        ]
    ),
    "sent": frozenset(
        [
            "sent",
            "sent items",
            "sent mail",
            "sent messages",
            "gesendet",
            "gesendete elemente",
            "gesendete objekte",
            "envoyés",
            "éléments envoyés",
            "enviados",
            "elementos enviados",
            "posta inviata",
            "inviata",
            "verzonden items",
        ]
    ),
    "trash": frozenset(
        [
            "trash",
            "bin",
            "deleted items",
            "deleted messages",
            "papierkorb",
            "gelöschte elemente",
            "corbeille",
            "éléments supprimés",
            "papelera",
            "cestino",
            "lixeira",
            "prullenbak",
        ]
    ),
}
#: A role by name is at the top, or below INBOX or the like.
DEEPEST = 2


def by_flag(flags: set[str]) -> str:
    r"""Return the role that the server gives a folder, by its attributes in small.

    >>> by_flag({"\\hasnochildren", "\\junk"}), by_flag(set())
    ('junk', '')
    """
    return next((role for flag, role in FLAGS.items() if flag in flags), "")


def by_name(name: str, delimiter: str) -> str:
    """Return the role that a folder's name speaks for, in many languages.

    >>> by_name("INBOX.Entwürfe", "."), by_name("a/b/Sent", "/"), by_name("Sents", "/")
    ('drafts', '', '')
    """
    parts = name.split(delimiter) if delimiter else [name]
    if len(parts) > DEEPEST:
        return ""
    last = parts[-1].casefold()
    return next((role for role, names in NAMES.items() if last in names), "")
