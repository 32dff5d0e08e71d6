"""SECURITY 12: what others wrote is text; only one module may hand out markup."""

import re
from pathlib import Path

import pytest

from tests.conftest import PageClient
from webapp.core.db import db
from webapp.core.presentation import address_tag, visible
from webapp.operators import audit
from webapp.operators.models import Operator

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "webapp" / "core" / "presentation.py"
# Renders mails, not pages: the author's own literals are markup, values stay escaped.
MAILS = ROOT / "webapp" / "message_templates" / "engine.py"
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def sources(folder: str, pattern: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob(pattern))
    assert len(found) > 5
    return found


def test_no_page_template_turns_escaping_off() -> None:
    off = re.compile(r"\|\s*safe\b|autoescape\s+false|\|\s*tojson")
    for path in sources("templates", "*.html"):
        assert not off.search(path.read_text()), path


def test_only_one_module_makes_markup() -> None:
    made = re.compile(r"\bMarkup\b|render_template_string")
    guilty = [
        path
        for path in sources("webapp", "*.py")
        if path not in {DOOR, MAILS} and made.search(path.read_text())
    ]
    assert guilty == []


def test_the_one_module_fills_markup_through_escaping_only() -> None:
    text = DOOR.read_text()
    made = re.findall(r"Markup\(\s*(.{0,4})", text, re.DOTALL)
    assert made
    assert all(start.lstrip()[0] in "\"'" for start in made)
    assert not re.search(r"Markup\(\s*f[\"']", text)


def test_every_page_template_is_html_so_that_it_is_escaped() -> None:
    """Flask escapes by the ending of the name."""
    others = [p for p in (ROOT / "templates").rglob("*.*") if p.suffix != ".html"]
    assert others == []


@pytest.mark.parametrize("path", ["/account", "/activity", "/account/sessions", "/"])
def test_hostile_names_stay_text(
    client: PageClient, operator: Operator, path: str
) -> None:
    operator.name = HOSTILE
    audit.record("thing.made", "thing", 1, HOSTILE, note=HOSTILE)
    db.session.commit()
    page = client.get(path).text
    assert "<img src=x" not in page
    assert "<script>alert" not in page


def test_bidi_controls_are_shown_and_not_obeyed() -> None:
    assert visible("invoice\u202efdp.exe") == "invoice[U+202E]fdp.exe"
    assert "\u202e" not in address_tag("a\u202eb@example.org")


def test_an_address_stays_text() -> None:
    assert "<script>" not in address_tag("<script>@example.org")
