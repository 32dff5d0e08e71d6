"""Cells: what is read, what is refused, and that reading twice is reading once."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.recipients.cells import as_text, parse_cell
from webapp.recipients.columns import name_problem, suggest_name
from webapp.recipients.csv_detect import Inspector
from webapp.recipients.csv_files import ENCODINGS
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.reasons import CellProblem
from webapp.recipients.rows import kept_text


@given(st.sampled_from(ColumnKind), st.text())
def test_a_value_reads_back_as_itself(kind: ColumnKind, text: str) -> None:
    try:
        value = parse_cell(kind, text)
    except CellProblem:
        kept_text(text).encode()  # what is kept of it can be stored
        return
    assert parse_cell(kind, as_text(value)) == value
    assert parse_cell(kind, value) == value


@given(st.dates())
def test_every_date_is_read_in_its_usual_forms(day: date) -> None:
    iso = day.isoformat()
    forms = [
        iso,
        f"{day.day}.{day.month}.{day.year:04}",
        f"{day.day} {day:%B} {day.year:04}",
        f"{day:%b} {day.day}, {day.year:04}",
        f"{iso} 00:00:00",
    ]
    assert {parse_cell(ColumnKind.DATE, form) for form in forms} == {iso}


@given(
    st.integers(-(10**15) + 1, 10**15 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_every_number_is_read_back(number: float) -> None:
    assert parse_cell(ColumnKind.NUMBER, as_text(number)) == number


@given(st.integers(0, 10**12))
def test_parted_thousands_are_one_number(number: int) -> None:
    for part in (" ", "\u00a0", "\u202f", "'"):
        text = f"{number:,}".replace(",", part)
        assert parse_cell(ColumnKind.NUMBER, text) == number


@given(st.text(), st.lists(st.text()))
def test_a_suggested_name_is_always_possible(heading: str, taken: list[str]) -> None:
    name = suggest_name(heading, taken)
    assert name_problem(name) is None
    assert name not in taken


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ColumnKind.EMAIL, "ada@example.org, eve@example.org"),
        (ColumnKind.EMAIL, "ada@example.org\nBcc: eve@example.org"),
        (ColumnKind.PHONE, "030 901820"),
        (ColumnKind.NUMBER, "nan"),
        (ColumnKind.NUMBER, "1e999"),
        (ColumnKind.NUMBER, "1,234"),
        (ColumnKind.NUMBER, "12345678901234567890"),
        (ColumnKind.DATE, "04/05/2026"),
        (ColumnKind.DATE, "2026-02-30"),
        (ColumnKind.DATE, "2026-11-30 12:00"),
        (ColumnKind.YES_NO, "maybe"),
        (ColumnKind.URL, "javascript:alert(1)"),
        (ColumnKind.URL, "https://"),
        (ColumnKind.URL, "https://[::1"),
        (ColumnKind.TEXT, "two\nlines"),
        (ColumnKind.TEXT, "a\0b"),
        (ColumnKind.LONG_TEXT, "x" * 40_000),
    ],
)
def test_what_fits_no_reading_is_refused(kind: ColumnKind, text: str) -> None:
    with pytest.raises(CellProblem):
        parse_cell(kind, text)


@pytest.mark.parametrize("raw", [[], {}, [1], {"a": 1}, float("nan"), float("inf")])
def test_what_is_no_cell_is_refused(raw: object) -> None:
    with pytest.raises(CellProblem):
        parse_cell(ColumnKind.NUMBER, raw)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]
)
def test_encoding_and_delimiter_are_told_by_content(
    encoding: str, delimiter: str
) -> None:
    lines = ["name,city,note", *["Zoë,Malmö,naïve café; or not"] * 20]
    text = "".join(line.replace(",", delimiter) + "\r\n" for line in lines)
    inspector = Inspector()
    for piece in (text.encode(encoding)[:7], text.encode(encoding)[7:]):
        inspector.feed(piece)
    found = inspector.layout()
    assert found.encoding in ENCODINGS
    expected = "utf-8" if encoding == "utf-8-sig" else encoding
    assert (found.encoding, found.delimiter, found.has_header) == (
        expected,
        delimiter,
        True,
    )
