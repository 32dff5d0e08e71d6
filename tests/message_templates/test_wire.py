"""Frames between a process and its child."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.message_templates.source import Link, Rendered, RenderFailure
from webapp.message_templates.wire import frame, frames, packed, unmarked, unpacked

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.dates()
    | st.decimals(allow_nan=False)
)


@given(st.dictionaries(st.text(), plain), st.integers(1, 50))
def test_values_survive_in_any_slices(value: dict[str, object], size: int) -> None:
    data = frame(value) * 2
    buffer = bytearray()
    found = []
    for at in range(0, len(data), size):
        buffer += data[at : at + size]
        found += [unmarked(one) for one in frames(buffer)]
    assert found == [value, value]
    assert not buffer


@pytest.mark.parametrize(
    "result",
    [
        RenderFailure("words"),
        RenderFailure("words", "name", 2, "html"),
        Rendered("s", "t", None),
        Rendered(
            "s", "t", "h", (Link("a", "b", "link", None), Link("a", "b", "image", "x"))
        ),
    ],
)
def test_results_survive(result: Rendered | RenderFailure) -> None:
    assert unpacked(packed(result)) == result


@pytest.mark.parametrize(
    "row", [None, [], [1], ["a", None, "x", None], ["s", "t", 1, [], True]]
)
def test_a_child_that_talks_nonsense_is_noticed(row: object) -> None:
    with pytest.raises(ValueError, match="not a result"):
        unpacked(row)


def test_a_frame_that_claims_too_much_is_noticed() -> None:
    with pytest.raises(ValueError, match="too large"):
        list(frames(bytearray(b"\xff\xff\xff\xff")))
