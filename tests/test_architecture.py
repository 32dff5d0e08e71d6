"""The house guards itself: what is true of every route, page, state, job, setting."""

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask

import config
from webapp.campaigns.states import CAMPAIGN_MOVES, MOVES, State, Status
from webapp.core import queue, schema
from webapp.core.db import Base
from webapp.core.http import API
from webapp.operators.access import Scope
from webapp.pages import glossary

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# A document for a sandboxed frame stands alone, with a policy of its own.
PAGES = [path for path in TEMPLATES if not path.stem.endswith("_frame")]
SCRIPTS_AT_MOST = 30 * 1024
STYLES_AT_MOST = 40 * 1024

HANDLER = r"\son(?:click|load|error|submit|change|input|focus|blur|key\w+|mouse\w+)\s*="

# All that a job in Redis may name. A new one is a decision: it runs with every right.
JOBS = {
    "campaigns.check",
    "campaigns.launch",
    "delivery.issue_tickets",
    "delivery.message",
    "delivery.ticket",
    "recipients.import",
    "recipients.reread",
}


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT / "templates"))


def rules(app: Flask) -> Iterator[tuple[str, object]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            yield rule.rule, app.view_functions[rule.endpoint]


def test_every_view_says_who_may_open_it(app: Flask) -> None:
    for path, view in rules(app):
        scope, why = getattr(view, "scope", None), getattr(view, "public", None)
        assert (scope is None) != (why is None), path
        assert scope is None or isinstance(scope, Scope), path
        assert why is None or len(why.split()) > 3, path


def test_every_api_view_is_described(app: Flask) -> None:
    for path, view in rules(app):
        if path.startswith(API):
            assert hasattr(view, "operation"), path
            assert view.__doc__, path


def test_every_api_view_that_creates_may_be_repeated(app: Flask) -> None:
    for path, view in rules(app):
        what = getattr(view, "operation", None)
        if path.startswith(API) and what is not None and what.status == 201:
            assert getattr(view, "idempotent", False), path


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_no_page_template_has_inline_code_or_style(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert "<style" not in text
    assert not re.search(HANDLER, text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "javascript:" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=page_name)
def test_every_form_that_posts_carries_the_token(path: Path) -> None:
    text = path.read_text()
    for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
        posts = re.search(r'method="post"', form)
        # What a stranger answers from a mail has no cookie, but a signed link.
        is_public = "url_for('public." in form
        carries = re.search(r"csrf\(\)|csrf_token", form)
        assert not posts or is_public or carries, form[:200]


def test_no_page_loads_much() -> None:
    own = re.compile(r"filename='((?:css|js)/[a-z_-]+\.(?:css|js))'")
    shell = set(own.findall((ROOT / "templates" / "layout.html").read_text()))
    for path in TEMPLATES:
        loaded = shell | set(own.findall(path.read_text()))
        for ending, most in ((".css", STYLES_AT_MOST), (".js", SCRIPTS_AT_MOST)):
            files = [ROOT / "static" / one for one in loaded if one.endswith(ending)]
            assert sum(file.stat().st_size for file in files) <= most, path


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in (ROOT / "static").rglob("*.*"):
        if path.suffix in {".js", ".css"}:
            assert not re.search(
                r"(?:src|href|url|import|from)\W+https?:", path.read_text()
            )
    for path in TEMPLATES:
        assert not re.search(r"(?:src|href)=\"https?:", path.read_text()), path


def test_every_status_has_moves_words_and_an_icon() -> None:
    assert set(MOVES) == set(glossary.STATUSES) == set(Status)
    assert set(CAMPAIGN_MOVES) == set(glossary.STATES) == set(State)
    parts = (ROOT / "templates" / "macros" / "parts.html").read_text()
    sprite = (ROOT / "static" / "img" / "icons.svg").read_text()
    css = (ROOT / "static" / "css" / "base.css").read_text()
    for status in Status:
        icon = re.search(rf"[\"']{status}[\"']: [\"']([a-z]+)[\"']", parts)
        assert icon, status
        assert f'id="i-{icon[1]}"' in sprite
        assert f".st-{status}" in css
    for state in State:
        assert re.search(rf"[\"']{state}[\"']: \([\"']", parts), state


def test_every_icon_that_a_page_shows_is_drawn() -> None:
    sprite = (ROOT / "static" / "img" / "icons.svg").read_text()
    drawn = set(re.findall(r'id="i-([a-z-]+)"', sprite))
    for path in TEMPLATES:
        shown = set(re.findall(r"\bicon\([\"']([a-z-]+)[\"']", path.read_text()))
        assert shown <= drawn, (path, shown - drawn)


@pytest.mark.usefixtures("app")
def test_every_job_is_on_the_list() -> None:
    for path in (ROOT / "webapp").glob("*/jobs.py"):
        import_module(f"webapp.{path.parent.name}.jobs")
    ours = {name for name in queue.REGISTRY if not name.startswith("tests.")}
    assert ours == JOBS, "what nobody enqueues any more is not allowed either"


def test_migrations_have_one_head() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config("sqlite://"))
    assert len(scripts.get_heads()) == 1


def _is_of_models(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out the full-text table, which no model can describe."""
    return not (kind == "table" and (name or "").startswith("indexed_mail_words"))


# SQLAlchemy cannot read back that of migration 0004.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression")
def test_migrations_and_models_say_the_same(empty_database: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{empty_database}")
    with engine.connect() as connection:
        opts = {"compare_type": True, "include_name": _is_of_models}
        context = MigrationContext.configure(connection, opts=opts)
        difference = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert difference == []


@pytest.mark.parametrize("setting", [one.name for one in fields(config.Settings)])
def test_every_setting_is_in_the_readme(setting: str) -> None:
    assert f"`{setting.upper()}" in (ROOT / "README.md").read_text()


def test_nobody_opens_addresses_past_the_one_door() -> None:
    """import-linter sees packages only; this is the rest of its contract on sockets."""
    for path in (ROOT / "webapp").rglob("*.py"):
        assert "urllib.request" not in path.read_text(), path
        is_door = path.name == "https.py"  # over a connection of core.net
        assert is_door or "http.client" not in path.read_text(), path


def test_only_the_settings_read_the_environment() -> None:
    for path in (ROOT / "webapp").rglob("*.py"):
        assert not re.search(r"os\.environ\b|os\.getenv", path.read_text()), path


def test_no_test_is_skipped() -> None:
    skip = re.compile(r"pytest\.(?:mark\.)?(?:skip|xfail|importorskip)\b")
    for path in (ROOT / "tests").rglob("*.py"):
        assert path == Path(__file__).resolve() or not skip.search(path.read_text()), (
            path
        )


def test_modules_are_named_for_what_they_do() -> None:
    vague = {"utils", "helpers", "common", "manager", "base", "misc"}
    assert not [path for path in (ROOT / "webapp").rglob("*.py") if path.stem in vague]


def test_every_exception_from_the_checks_has_its_reason() -> None:
    bare = re.compile(
        r"#\s*(?:noqa:? ?[A-Z0-9, ]*|type: ignore(?:\[[a-z-]+\])?)\s*$", re.MULTILINE
    )
    for folder in ("webapp", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not bare.search(path.read_text()), path
