"""The judge of the sorting counts right, and fails where an ordinary mail bounces."""

from pathlib import Path

import pytest

from bench import sorting
from tests.triage.answering import Dsn, person

BOUNCE = Dsn("ada@example.org").octets()
LETTER = person("ada@example.org", "Lunch", "On Friday?")


def collection(folder: Path, lines: str) -> Path:
    place = folder / "some"
    place.mkdir()
    (place / "bounce.eml").write_bytes(BOUNCE)
    (place / "letter.eml").write_bytes(LETTER)
    (place / sorting.ANSWERS).write_text(lines, "utf-8")
    return folder


def test_it_counts_by_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "bounce.eml\tbounce\thard\tAda@example.org\nletter.eml\tordinary\n"
    assert sorting.main([str(collection(tmp_path, lines))]) == 0
    said = capsys.readouterr().out
    for line in ("bounce: 1 of 1", "how final: 1 of 1", "whom: 1 of 1", "ordinary: 1"):
        assert line in said


def test_it_names_what_was_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "letter.eml\tbounce\nbounce.eml\tbounce\tfull\tbo@example.org\n"
    assert sorting.main([str(collection(tmp_path, lines)), "--misses"]) == 0
    said = capsys.readouterr().out
    for line in ("letter.eml: bounce, not other", "full, not hard", "names ['ada@"):
        assert line in said


def test_an_ordinary_mail_called_a_bounce_fails(tmp_path: Path) -> None:
    assert sorting.main([str(collection(tmp_path, "bounce.eml\tordinary\n"))]) == 1
