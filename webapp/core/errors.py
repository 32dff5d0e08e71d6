"""The few ways in which a request can be refused, in words for a person.

A service raises one of these; `webapp.core.http` turns it into a page or into
problem JSON (RFC 9457). Nothing else ever tells a person that something went wrong.
"""

from collections.abc import Mapping, Sequence


class DomainError(Exception):
    """Something that a person can understand and mend.

    Parameters
    ----------
    words
        One sentence that says what is wrong and what to do.
    """

    status = 400
    title = "This did not work"

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class NotFound(DomainError):
    """The thing does not exist, or not for this operator."""

    status = 404
    title = "Not found"


class Forbidden(DomainError):
    """The operator or the token may not do this."""

    status = 403
    title = "Not allowed"


class Unauthenticated(DomainError):
    """Nobody is signed in, or the token is not valid."""

    status = 401
    title = "Please sign in"


class Refused(DomainError):
    """The thing exists, but its state does not allow this now."""

    status = 409
    title = "Not possible now"


class Unavailable(DomainError):
    """A part that we need (queue, server) does not answer just now."""

    status = 503
    title = "Not available just now"


class Invalid(DomainError):
    """One or more values are wrong.

    Parameters
    ----------
    words
        One sentence over all of it.
    fields
        Field name to the sentences about it; empty where no single field is to blame.
    """

    status = 422
    title = "Some values need your attention"

    def __init__(
        self, words: str, fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(words)
        self.fields = {name: list(lines) for name, lines in (fields or {}).items()}
