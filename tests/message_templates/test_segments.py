"""What is filled from segments is what the sandbox renders, to the last character."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webapp.composing.bodies import Block, Text, encoded
from webapp.message_templates.engine import Engine
from webapp.message_templates.links import looked_at, resolve
from webapp.message_templates.rendering import Rendered, RenderPool, Source
from webapp.message_templates.segments import Piece, Segments, blocks_of
from webapp.message_templates.segments_wire import packed_segments, unpacked_segments
from webapp.message_templates.skeleton import Address
from webapp.message_templates.slots import Slot
from webapp.message_templates.wire import frame, unmarked

BASE = "https://library.example/news"
NAMES = ("name", "town", "url", "self", "nobody")

filters = st.sampled_from(
    [
        "",
        "|upper",
        "|title|trim",
        "|e",
        "|urlencode",
        "|default('friend')",
        "|d('x', true)",
        "|number(2)",
        "|date('%-d %B')",
        "|capitalize|default('')",
        "|number(2, '.')",
        "|date('%9999d')",
        "|replace('a', 'b')",
        "|default(name)",
    ]
)
words = st.text(
    st.characters(exclude_categories=(), exclude_characters="{}%#\r\0"), max_size=12
)
placeholders = st.builds("{{{{ {}{} }}}}".format, st.sampled_from(NAMES), filters)
markup = st.sampled_from(
    [
        '<a href="/card?c=',
        '">',
        "<p>",
        "</p>\n",
        "<style>p { color: red }</style>",
        "<img src='",
        "'>",
        "{# a remark #}",
        "{% if name %}x{% endif %}",
        "\n  ",
        "[plan](",
        ")",
        "**",
        "https://a.example/",
    ]
)
parts = st.lists(st.one_of(words, placeholders, placeholders, markup), max_size=8).map(
    "".join
)
values = st.one_of(
    words,
    st.sampled_from(
        [
            "Zoë <b>&\"'",
            "=?utf-8?q?x?=",
            "\ufdd00\ufdd1",
            "\ud800",
            "Ürün\r\nBcc: a",
            "/../etc",
            "javascript:1",
            "//evil.example",
            "",
            None,
        ]
    ),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.just(UTC)),
)
rows = st.dictionaries(st.sampled_from(NAMES[:4]), values)
#: Below Markdown stand the links that every message has.
SYSTEM = {"unsubscribe_url": "https://a.example/u/1", "view_url": "https://a.example/v"}
MJML = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column>"
    "</mj-section></mj-body></mjml>"
)


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(["text", "html", "markdown", "mjml"]),
    parts,
    parts,
    parts,
    parts,
    rows,
)
def test_segments_make_what_the_sandbox_makes(
    kind: str, subject: str, text: str, html: str, preview: str, row: dict[str, object]
) -> None:
    if kind == "mjml":
        html = MJML.format(html)
    if kind == "markdown":
        row = {**SYSTEM, **row}
    source = Source(kind, subject, text, html, preview)
    found = Engine().segments(source)
    if found is None:
        return
    found = unpacked_segments(unmarked(frame(packed_segments(found))[4:]))
    crossed = unmarked(frame(row)[4:])
    made = found.fill(row, BASE)
    if made is not None:
        rendered = Engine().render(source, crossed, BASE)
        assert made == through_the_wire(rendered)


def through_the_wire(rendered: object) -> object:
    """Return what the parent gets: half characters become question marks."""
    assert isinstance(rendered, Rendered)
    clean = [
        text.encode("utf-8", "replace").decode() if text is not None else None
        for text in (rendered.subject, rendered.text, rendered.html)
    ]
    return Rendered(clean[0] or "", clean[1] or "", clean[2], rendered.links)


pieces = st.lists(
    st.one_of(
        st.integers(0, 2),
        st.integers(0, 1).map(lambda number: (number,)),
        st.sampled_from(["Dear ", ",\n", "\n", "\n\n", "x" * 120, "Ä" * 80 + "\n"]),
        st.sampled_from([4 * "Three evenings are still free.\n", "\r", "=_"]),
    ),
    max_size=12,
)


@given(pieces, st.lists(words, min_size=5, max_size=5))
def test_blocks_of_lines_make_what_a_plain_join_makes(
    pieces: list[Piece], filling: list[str]
) -> None:
    filling = [one.encode("utf-8", "replace").decode() for one in filling]
    segments = Segments(
        [Slot("a"), Slot("b"), Slot("c")],
        {"subject": [], "text": pieces, "html": pieces, "html_text": pieces},
        [Address((0,), "link"), Address((1,), "link")],
    )
    blocks = segments._parts["text"].filled(filling[:3], filling[3:])
    joined = "".join(
        one
        if isinstance(one, str)
        else filling[one]
        if isinstance(one, int)
        else filling[3 + one[0]]
        for one in pieces
    )
    assert blocks is not None
    made = Text(blocks)
    assert made == joined
    (encoding, octets), (usual, whole) = encoded(made), encoded(joined)
    assert (encoding, b"".join(octets)) == (usual, b"".join(whole))


def test_whole_lines_between_places_are_shared() -> None:
    same = 4 * "Three evenings are still free.\n"
    blocks = blocks_of(
        ["Dear ", 0, f",\n{same}Card ", 1, "\n", "Bye ", 2, f"\n{same}Us"]
    )
    assert blocks == [
        *(["Dear ", 0, ",\n"], same, ["Card ", 1, "\n", "Bye ", 2, "\n"], same, ["Us"])
    ]
    assert [type(one) is Block for one in blocks] == [False, True, False, True, False]


PLAIN = Source(
    "html",
    "Hi {{ name }}",
    "Dear {{ name|default('friend') }} of {{ town }}",
    "<p>{{ name }}</p><a href='/c?t={{ town|urlencode }}'>{{ born|date }}</a>",
)
ROW = {"name": "Zoë & Co", "town": "Łódź", "born": date(2001, 2, 3)}


def test_a_plain_message_template_is_read_once_and_filled() -> None:
    found = Engine().segments(PLAIN)
    assert found is not None
    made = found.fill(ROW, BASE)
    assert made == Engine().render(PLAIN, ROW, BASE)
    assert made is not None
    assert "?t=%C5%81%C3%B3d%C5%BA" in (made.html or "")


@pytest.mark.parametrize(
    "text",
    [
        "{% if name %}x{% endif %}",
        "{% for a in name %}{{ a }}{% endfor %}",
        "{{ name.upper() }}",
        "{{ name ~ town }}",
        "{{ url('/x') }}",
        "{{ name|replace('a', 'b') }}",
        "{{ name|default(town) }}",
        "{{ born|date('%999999999d') }}",
        "{{ n|number(10000000) }}",
        "{{ 7 * 6 }}",
        "{{ name }" * 2,
        "{{ a }}" * 600,
    ],
)
def test_logic_stays_in_the_child(text: str) -> None:
    assert Engine().segments(Source("text", "Hi", text)) is None


@pytest.mark.parametrize(
    "row",
    [
        {**ROW, "name": None},
        {**ROW, "town": "x" * 70_000},
        {"town": "Leith", "born": date(2001, 2, 3)},
        {**ROW, "born": "no date"},
        {**ROW, "name": ["a"]},
    ],
)
def test_a_row_out_of_the_ordinary_is_left_to_the_sandbox(
    row: dict[str, object],
) -> None:
    found = Engine().segments(PLAIN)
    assert found is not None
    assert found.fill(row, BASE) is None


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool() as pool:
        yield pool


def test_rows_keep_their_places_and_the_sandbox_its_words(pool: RenderPool) -> None:
    given: list[dict[str, object]] = [
        {**ROW, "name": f"n{n}"} if n % 3 else {"name": "x", "born": ROW["born"]}
        for n in range(60)
    ]
    engine = Engine()
    assert pool.render_many(PLAIN, given, BASE) == [
        engine.render(PLAIN, row, BASE) for row in given
    ]


def test_typed_cells_are_written_alike(pool: RenderPool) -> None:
    cells = [Decimal("1.10"), 12.5, True, datetime(2027, 3, 14, 7, 30, tzinfo=UTC)]
    source = Source("text", "{{ v }}", "{{ v }}")
    given = [{"v": cell} for cell in cells * 8]
    engine = Engine()
    assert pool.render_many(source, given, BASE) == [
        engine.render(source, row, BASE) for row in given
    ]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [[["n", []]], {"subject": [1]}, []],
        [[["n", [["replace", ["a", "b"]]]]], {"subject": [0]}, []],
        [[["n", [["date", ["%99999999d"]]]]], {"subject": [0]}, []],
        [[["n", []]], {"text": [0]}, []],
        [[["n", []]], {"subject": [0], "html": [[0]], "html_text": []}, []],
        [[["n", []]], {"subject": [True]}, []],
        [[["n", []]], {"subject": [-1]}, []],
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(answer: object) -> None:
    with pytest.raises(ValueError, match=r"this|these|a place|a part"):
        unpacked_segments(answer)


plain_characters = st.sampled_from("abz09/:?#@%.;=&-_~!+ [\\é\t")


@settings(max_examples=300, deadline=None)
@example("/a/../b", "https://a.example")
@example("https://127.0.0.1/x", None)
@example("/a?", "https://a.example/x/")
@example("http://a.example:99999999/", None)
@given(
    st.one_of(
        st.text(plain_characters, max_size=20),
        st.text(plain_characters, max_size=20).map("/".__add__),
        st.text(plain_characters, max_size=20).map("https://a.example".__add__),
    ),
    st.sampled_from([None, "https://a.example/x/", "http://10.0.0.7", "HTTPS://a"]),
)
def test_a_plain_address_is_what_a_long_look_says(raw: str, base: str | None) -> None:
    assert resolve(raw, base) == looked_at(raw, base, "link")
