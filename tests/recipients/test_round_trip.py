"""Export, then import, is the identity: whatever the cells hold."""

import io

from hypothesis import given
from hypothesis import strategies as st

from webapp.recipients.csv_detect import Inspector
from webapp.recipients.csv_files import headings, read_rows
from webapp.recipients.exports import BYTE_ORDER_MARK, _line, cell_text
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.mapping import Plan, judge, raw_cells
from webapp.recipients.rows import Row, read_row

COLUMNS = tuple(ColumnSpec(kind.value, kind) for kind in ColumnKind)
NAMES = [column.name for column in COLUMNS]

cells = st.fixed_dictionaries(
    {
        "text": st.text(max_size=30) | st.sampled_from(["=1", "'=1", "+1", '"', "a;b"]),
        "email": st.sampled_from(["", "ada@example.org", "Zoë@example.org"]),
        "phone": st.sampled_from(["", "+4930901820"]),
        "number": st.none() | st.integers(-(10**14), 10**14) | st.floats(-1e9, 1e9),
        "date": st.none() | st.dates().map(str),
        "yes_no": st.none() | st.booleans(),
        "url": st.sampled_from(["", "https://example.org/?a=b,c"]),
        "long_text": st.text(max_size=60) | st.sampled_from(["a\nb", "\n=1", ' "x"\n']),
    }
)


@given(st.lists(cells, min_size=1, max_size=5))
def test_rows_come_back_as_they_were(raw_rows: list[dict[str, object]]) -> None:
    rows = [read_row(COLUMNS, "email", raw) for raw in raw_rows]
    good = [row.values for row in rows if not row.problems and row.values]
    if not good:
        return
    lines = [BYTE_ORDER_MARK + _line(NAMES)]
    lines += [_line([cell_text(values.get(name)) for name in NAMES]) for values in good]
    content = "".join(lines).encode()
    inspector = Inspector()
    inspector.feed(content)
    layout = inspector.layout()
    plan = Plan(
        COLUMNS,
        "email",
        dict(enumerate(NAMES)),
        tuple(headings(io.BytesIO(content), layout)),
    )
    back: list[object] = []
    for _number, line in read_rows(io.BytesIO(content), layout):
        raw = raw_cells(plan, line)
        assert isinstance(raw, dict)
        row = judge(plan, raw)
        assert isinstance(row, Row)
        back.append(row.values)
    assert back == good
