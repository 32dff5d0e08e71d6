"""Render one row after another, in this process and without limits of its own.

Only the child process of `webapp.message_templates.rendering` runs this for what a
person wrote; it holds the limits on time and memory. An engine is for one thread.

Measured (2 cores, shared): see ``bench/rendering.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import jinja2.debug  # noqa: F401 - Jinja imports it late, when files can no longer be opened
from jinja2 import Template, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from webapp.message_templates.bodies import html_to_text, to_html, with_preview_text
from webapp.message_templates.layout import Foot
from webapp.message_templates.links import build_url
from webapp.message_templates.mjml_body import MjmlError
from webapp.message_templates.reading import SourceError, allow, parse, undeclared
from webapp.message_templates.sandbox import EmptyCell, MissingValue, Piece, Sandbox
from webapp.message_templates.segments import Segments
from webapp.message_templates.skeleton import (
    Address,
    Places,
    Skeleton,
    place,
    take_addresses,
    without_inner,
)
from webapp.message_templates.slots import numbered, slots_of
from webapp.message_templates.source import (
    MAX_OUTPUT,
    MAX_SOURCE,
    PART_WORDS,
    Link,
    Rendered,
    RenderFailure,
    Source,
)
from webapp.message_templates.vocabulary import printable

#: The links below a body in Markdown; each is left out where the author wrote it.
_FOOT = {name: f"{{{{ {name} }}}}" for name in ("unsubscribe_url", "view_url")}
_MAX_SKELETONS = 64
_MAX_PROGRAMS = 32
_MAX_WORDS = 200


class TooLarge(Exception):
    """A rendered part is larger than any mail may be."""


_WORDS: dict[type[Exception], str] = {
    TooLarge: f"The result is larger than {MAX_OUTPUT // 1024} KB",
    MemoryError: "It needs more memory than a message may use",
    RecursionError: "It calls itself without an end",
    SecurityError: "Not allowed in a message template: {}",
    MjmlError: "{}",
}


class PartFailure(Exception):
    """A part could not be rendered; carries the words."""

    def __init__(self, failure: RenderFailure) -> None:
        super().__init__(failure.words)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class _Body:
    """HTML and text skeletons that belong to one way through the branches."""

    html: Skeleton
    text: Skeleton
    addresses: tuple[Address, ...]


class Engine:
    r"""Renders message templates; keeps what is the same for all rows.

    Examples
    --------
    >>> source = Source("markdown", "Hi {{ name }}", html="[plan](/p?n={{ name }})")
    >>> made = Engine().render(source, {"name": "Ada"}, "https://a.example")
    >>> made.subject, made.text
    ('Hi Ada', 'plan: https://a.example/p?n=Ada\n')
    """

    def __init__(self) -> None:
        self._places = Places()
        self._base: str | None = None
        self._built: dict[str, str] = {}
        self._programs: dict[Source, _Program | RenderFailure] = {}
        self._plain = Sandbox(printable, self._url)
        self._marked = Sandbox(self._write_place, self._url, autoescape=True)

    def render(
        self, source: Source, values: Mapping[str, object], base: str | None
    ) -> Rendered | RenderFailure:
        """Render one row.

        Parameters
        ----------
        source
            The message template.
        values
            Plain values by column; ``None`` and ``""`` are empty cells.
        base
            The base of relative addresses.
        """
        program = self._program(source)
        if isinstance(program, RenderFailure):
            return program
        self._places.values, self._base, self._built = [], base, {}
        try:
            return program.run(_context(values), base)
        except PartFailure as error:
            return error.failure
        except Exception as error:  # noqa: BLE001 - a library stumbled over this HTML
            return RenderFailure(_words(error), None, None, "html")

    def segments(self, source: Source) -> Segments | None:
        """Return a message template as segments, if it has no logic."""
        try:
            program = self._program(source)
            if isinstance(program, RenderFailure):
                return None
            read = {
                part: slots_of(parse(without_inner(text)))
                for part, text in (*source.parts(), *program.foot.items())
            }
            slots, parts = numbered({k: v for k, v in read.items() if v is not None})
            if len(parts) < len(read):
                return None
            return Segments(slots, *program.cut(parts))
        except Exception:  # noqa: BLE001 - then each row says in words what is wrong
            return None

    def _program(self, source: Source) -> "_Program | RenderFailure":
        program = self._programs.get(source)
        if program is None:
            if len(self._programs) >= _MAX_PROGRAMS:
                self._programs.clear()
            try:
                program = _Program(self, source)
            except PartFailure as error:
                program = error.failure
            self._programs[source] = program
        return program

    def compiled(self, part: str, text: str, *, marked: bool) -> Template:
        """Compile one part for this engine, or raise `PartFailure`."""
        if len(text) > MAX_SOURCE:
            words = f"The {PART_WORDS[part]} is longer than {MAX_SOURCE // 1024} KB"
            raise PartFailure(RenderFailure(words, None, None, part))
        text = without_inner(text)
        try:
            allow(parse(text))
            return (self._marked if marked else self._plain).from_string(text)
        except (SourceError, TemplateSyntaxError) as error:
            line = error.line if isinstance(error, SourceError) else error.lineno
            words = f"The {PART_WORDS[part]} cannot be read: {error}"
            raise PartFailure(RenderFailure(words, None, line, part)) from error
        except (RecursionError, SyntaxError, MemoryError) as error:
            words = f"The {PART_WORDS[part]} is nested too deeply"
            raise PartFailure(RenderFailure(words, None, None, part)) from error

    def values(self) -> list[str]:
        """Return the values that got a place in the row just rendered."""
        return self._places.values

    def built(self) -> dict[str, str]:
        """Return what ``url()`` made in the row just rendered: new to old."""
        return self._built

    def _write_place(self, value: object) -> str:
        if type(value) is Piece:
            return Markup(value)  # noqa: S704 - the author's own words, values still out
        return self._places.add(printable(value))

    def _url(
        self, path: str = "/", scheme: str | None = None, host: str | None = None
    ) -> str:
        new = build_url(str(path), self._base, scheme, host)
        self._built[new] = str(path)
        return new


class _Program:
    """One message template, compiled."""

    def __init__(self, engine: Engine, source: Source) -> None:
        self._engine = engine
        self._bodies: dict[tuple[str, ...], _Body] = {}
        self._format, self._language = source.format, source.language
        marked = {"html", "preview_text"}
        self._parts = {
            part: engine.compiled(part, text, marked=part in marked)
            for part, text in source.parts()
        }
        own = _FOOT if source.format == "markdown" else {}
        named = undeclared(source)
        #: What stands below the body, as source, by the name that it asks for.
        self.foot = {name: code for name, code in own.items() if name not in named}
        self._foot = {
            name: engine.compiled("html", code, marked=True)
            for name, code in self.foot.items()
        }

    def run(self, context: dict[str, object], base: str | None) -> Rendered:
        made = {part: _run(one, context, part) for part, one in self._parts.items()}
        subject = " ".join(made["subject"].splitlines())
        text, html = made.get("text", ""), None
        links: list[Link] = []
        if "html" in made:
            foot = {
                name: _run(one, context, "html")
                for name, one in self._foot.items()
                if name in context
            }
            body = self._body(made.get("preview_text", ""), made["html"], foot)
            values = self._engine.values()
            links = [address.resolved(values, base) for address in body.addresses]
            new = [link.new for link in links]
            html = body.html.fill(values, new)
            text = text or body.text.fill(values, new)
        for part, done in (("text", text), ("html", html or "")):
            if len(done) > MAX_OUTPUT:
                raise _failure(TooLarge(), part, None)
        return Rendered(subject, text, html, self._with_built(links))

    def cut(
        self, parts: Mapping[str, Sequence[str | int]]
    ) -> tuple[dict[str, list[str | int | tuple[int]]], tuple[Address, ...]]:
        """Return all parts as pieces, and the addresses in the HTML."""
        found: dict[str, list[str | int | tuple[int]]] = {}
        for part in {"subject", "text"}.intersection(parts):
            found[part] = [*parts[part]]
        if "html" not in parts:
            return found, ()
        preview, marked = parts.get("preview_text", ()), parts["html"]
        foot = {name: _with_places(parts[name]) for name in self.foot}
        body = self._body(_with_places(preview), _with_places(marked), foot)
        found["html"], found["html_text"] = body.html.pieces(), body.text.pieces()
        return found, body.addresses

    def _body(self, preview: str, marked: str, foot: Mapping[str, str]) -> _Body:
        key = (preview, marked, *foot.values())
        if key in self._bodies:
            return self._bodies[key]
        below = Foot(foot.get("unsubscribe_url", ""), foot.get("view_url", ""))
        whole = to_html(self._format, marked, self._language, below)
        html, addresses = take_addresses(whole)
        body = _Body(
            Skeleton(with_preview_text(html, preview), escape=True),
            Skeleton(html_to_text(html), escape=False),
            addresses,
        )
        if len(self._bodies) >= _MAX_SKELETONS:
            self._bodies.clear()
        self._bodies[key] = body
        return body

    def _with_built(self, links: list[Link]) -> tuple[Link, ...]:
        built = self._engine.built()
        if not built:
            return tuple(links)
        shown = [
            Link(built.pop(link.old, link.old), link.new, link.kind, link.problem)
            for link in links
        ]
        return tuple(shown + [Link(old, new, "link") for new, old in built.items()])


def _with_places(pieces: Sequence[str | int]) -> str:
    """Return pieces as one text, with the place of a value for each number."""
    return "".join(one if isinstance(one, str) else place(one) for one in pieces)


def _context(values: Mapping[str, object]) -> dict[str, object]:
    context: dict[str, object] = {}
    for name, value in values.items():
        if value is None or value == "":
            context[name] = EmptyCell(name=name)
        else:
            context[name] = without_inner(value) if isinstance(value, str) else value
    return context


def _run(template: Template, context: dict[str, object], part: str) -> str:
    """Run one compiled part, and stop it when it writes more than a mail may hold."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.root_render_func(template.new_context(context)):
            size += len(piece)
            pieces.append(piece)
            if size > MAX_OUTPUT:
                break
    except Exception as error:
        raise _failure(error, part, _line(template, error.__traceback__)) from error
    if size > MAX_OUTPUT:
        raise _failure(TooLarge(), part, None)
    return "".join(pieces)


def _line(template: Template, trace: TracebackType | None) -> int | None:
    """Return the line of the source that the innermost frame of a traceback was at."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _failure(error: Exception, part: str, line: int | None) -> PartFailure:
    variable = error.name if isinstance(error, MissingValue) else None
    return PartFailure(RenderFailure(_words(error), variable, line, part))


def _words(error: Exception) -> str:
    if isinstance(error, MissingValue):
        if error.empty:
            return f"“{error.name}” is empty in this row"
        if error.args and "has no" in str(error):
            return f"There is no “{error.name}” here: {str(error)[:_MAX_WORDS]}"
        return f"There is no column or value named “{error.name}”"
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words.format(str(error)[:_MAX_WORDS])
    return f"It cannot be computed: {str(error)[:_MAX_WORDS]}"
