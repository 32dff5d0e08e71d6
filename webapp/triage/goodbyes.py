"""People who write that they want no more of it: the words that they use. Pure."""

import re
import unicodedata

from webapp.triage.returned import TEXT_CAP

#: What the first line of a reply is, when it is a goodbye; compared without marks.
WORDS = frozenset(
    """
    stop|unsubscribe|please unsubscribe|unsubscribe me|please unsubscribe me|remove|
    remove me|please remove me|remove me from this list|take me off this list|
    please take me off the list|take me off your list|please remove me from your list|
    no more emails|opt out|opt-out|cancel subscription|cancel my subscription|
    abmelden|bitte abmelden|abbestellen|bitte austragen|austragen|
    keine weiteren mails|bitte keine mails mehr|
    desabonner|me desabonner|desinscrire|me desinscrire|desinscription|desabonnement|
    baja|darme de baja|dar de baja|cancelar suscripcion|
    descadastrar|remover|cancelar inscricao|cancelar subscricao|
    cancellami|disiscrivimi|annulla iscrizione|afmelden|uitschrijven|
    avregistrera|avsluta prenumeration|afmeld|avmeld|peruuta tilaus|
    wypisz mnie|rezygnuje|odhlasit|leiratkozas|dezabonare|abonelikten cik|
    отписаться|отпишите меня|退订|取消订阅|退訂|配信停止|配信停止希望|수신거부
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)
LONGEST = 60
_QUOTE = re.compile(r"\s*[>|]")


def is_goodbye(subject: str, text: str) -> bool:
    r"""Say whether a person asks to be left alone: by the first line, or the subject.

    Examples
    --------
    >>> is_goodbye("Re: News", "\nPlease unsubscribe me!\n\n> old text\n")
    True
    >>> is_goodbye("Re: News", "I will not stop reading this.\n\n> stop\n")
    False
    >>> is_goodbye("UNSUBSCRIBE", "")
    True
    """
    return _bare(_first_line(text)) in WORDS or _bare(subject) in WORDS


def _first_line(text: str) -> str:
    for line in text[:TEXT_CAP].splitlines()[:40]:
        if line.strip() and not _QUOTE.match(line):
            return line
    return ""


def _bare(line: str) -> str:
    if len(line) > LONGEST:
        return ""
    plain = unicodedata.normalize("NFKD", line.casefold())
    kept = "".join(one for one in plain if not unicodedata.combining(one))
    return " ".join(
        re.sub(r"[^\w\- ]", " ", unicodedata.normalize("NFC", kept)).split()
    )
