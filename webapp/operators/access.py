"""Who may do what: every view declares it, and a view that does not is closed.

A page is opened by a session, the API by a bearer token; neither opens the other, so a
page's cookie is no use to a forged API call.
"""

import dataclasses
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from flask import Flask, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound as HttpNotFound

import config
from webapp.core.errors import Forbidden, Unauthenticated
from webapp.core.http import API, session_ended, wants_json
from webapp.operators import sessions, tokens
from webapp.operators.models import Operator, Role

View = TypeVar("View", bound=Callable[..., Any])


class Scope(StrEnum):
    """What a view does, as far as trust is concerned."""

    READ = "read"
    WRITE = "write"
    SEND = "send"
    MANAGE = "manage"


SCOPES_OF: dict[Role, frozenset[Scope]] = {
    Role.MANAGER: frozenset(Scope),
    Role.SENDER: frozenset({Scope.READ, Scope.WRITE, Scope.SEND}),
    Role.TRIAGE: frozenset({Scope.READ, Scope.WRITE}),
    Role.READER: frozenset({Scope.READ}),
}


@dataclasses.dataclass(frozen=True)
class Actor:
    """Who acts in this request: an operator by a session or by a token.

    The row of the operator is read only: it was read in a session of its own.
    """

    operator: Operator
    scopes: frozenset[Scope]
    session_id: int | None = None
    token_id: int | None = None

    @property
    def name(self) -> str:
        """Return the name as the audit log and timelines show it."""
        return self.operator.name


def requires(scope: Scope) -> Callable[[View], View]:
    """Declare what a view needs."""

    def mark(view: View) -> View:
        view.scope = scope  # type: ignore[attr-defined]  # a mark on a function
        return view

    return mark


def public(why: str) -> Callable[[View], View]:
    """Declare that a view is open to everybody, and why."""

    def mark(view: View) -> View:
        view.public = why  # type: ignore[attr-defined]  # a mark on a function
        return view

    return mark


def actor() -> Actor:
    """Return who acts in this request.

    Raises
    ------
    Unauthenticated
        If nobody is signed in.
    """
    who: Actor | None = g.get("actor")
    if who is None:
        raise Unauthenticated("Please sign in.")
    return who


def act_as(operator: Operator) -> None:
    """Let the rest of this request count as this operator's: who has just signed in."""
    g.actor = Actor(operator, SCOPES_OF[operator.role])


def may(scope: Scope) -> bool:
    """Whether the one who acts has a scope; for showing or hiding a button."""
    who: Actor | None = g.get("actor")
    return who is not None and scope in who.scopes


def init_app(app: Flask) -> None:
    """Guard every view."""
    app.before_request(_guard)
    app.context_processor(lambda: {"may": may, "Scope": Scope, "actor": g.get("actor")})


def _guard() -> ResponseReturnValue | None:
    if current_app.debug and not config.is_loopback(request.remote_addr or ""):
        raise Forbidden("In debug mode only this machine is served.")
    if request.endpoint in {None, "static"} or request.routing_exception:
        return None
    view = current_app.view_functions[str(request.endpoint)]
    g.actor = _who()
    if getattr(view, "public", None):
        return None
    scope: Scope | None = getattr(view, "scope", None)
    if scope is None:
        raise HttpNotFound
    return _let_in(view, scope)


def _let_in(view: Callable[..., Any], scope: Scope) -> ResponseReturnValue | None:
    if g.actor is None:
        return _ask_to_sign_in()
    if scope not in g.actor.scopes:
        raise Forbidden(f"This needs the permission “{scope}”, which you do not have.")
    if (octets := getattr(view, "max_octets", None)) is not None:
        request.max_content_length = octets
    return None


def _who() -> Actor | None:
    if request.path.startswith(API):
        token = tokens.of_request()
        if token is None:
            return None
        asked = {Scope(scope) for scope in token.scopes}
        if Scope.WRITE in asked:
            asked.add(Scope.MANAGE)  # in the hands of a manager, to write is to manage
        scopes = SCOPES_OF[token.operator.role] & asked
        return Actor(token.operator, scopes, token_id=token.id)
    session = sessions.of_request()
    if session is None:
        return None
    allowed = SCOPES_OF[session.operator.role]
    return Actor(session.operator, allowed, session_id=session.id)


def _ask_to_sign_in() -> ResponseReturnValue:
    if wants_json():
        raise Unauthenticated(
            "Send a token: Authorization: Bearer …"
            if request.path.startswith(API)
            else "Please sign in."
        )
    if request.method != "GET":
        return session_ended()
    wanted = request.full_path.rstrip("?")
    return redirect(url_for("operators.sign_in", next=wanted), 303)
