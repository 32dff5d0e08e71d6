"""Addresses of pages and calls, put together when they are first asked for.

Werkzeug writes and compiles two Python functions per rule, whether anybody ever builds
that address or not: three quarters of what making the application costs, in each of its
processes and in each test. Most rules are only ever matched.
"""

from collections.abc import Callable

from werkzeug.routing import Rule

Build = Callable[..., tuple[str, str]]


class LateRule(Rule):
    """A rule that compiles its builders at their first use, and then keeps them.

    Examples
    --------
    >>> from werkzeug.routing import Map
    >>> rules = Map([LateRule("/mails/<int:uid>", endpoint="mail")])
    >>> addresses = rules.bind("desk.example")
    >>> addresses.match("/mails/7")
    ('mail', {'uid': 7})
    >>> addresses.build("mail", {"uid": 7, "page": 2})
    '/mails/7?page=2'
    """

    def _compile_builder(self, append_unknown: bool = True) -> Build:
        compiled = super()._compile_builder
        name = "_build_unknown" if append_unknown else "_build"

        def build(rule: Rule, **values: object) -> tuple[str, str]:
            found = compiled(append_unknown).__get__(rule, None)
            setattr(rule, name, found)
            answer: tuple[str, str] = found(**values)
            return answer

        return build
