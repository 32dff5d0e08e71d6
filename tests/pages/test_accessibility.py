"""What every page has: a language, one title, one first heading, labels, unique ids."""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from flask import Flask

from tests.conftest import PageClient
from webapp.core.http import API

CONTROLS = {"input", "select", "textarea"}


@dataclass
class Outline(HTMLParser):
    """What of a page can be checked without a browser."""

    lang: str = ""
    title: str = ""
    headings: list[int] = field(default_factory=list)
    ids: Counter[str] = field(default_factory=Counter)
    references: set[str] = field(default_factory=set)
    labelled: set[str] = field(default_factory=set)
    unlabelled: list[str] = field(default_factory=list)
    wordless: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _label: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._open.append(tag)
        self.lang = self.lang or found.get("lang", "")
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in found:
            self.ids[found["id"]] += 1
        for name in ("aria-labelledby", "aria-describedby"):
            self.references.update(found.get(name, "").split())
        self._look_for_words(tag, found)

    def _look_for_words(self, tag: str, found: dict[str, str]) -> None:
        if tag == "label":
            self._label += 1
            self.labelled.add(found.get("for", ""))
        spoken = self._label or {"aria-label", "hidden"} & set(found)
        seen = found.get("type") not in {"hidden", "submit"}
        if tag in CONTROLS and seen and not spoken:
            self.unlabelled.append(found.get("id") or str(found))
        bare = "btn-icon" in found.get("class", "") and "aria-label" not in found
        if bare or (tag == "img" and "alt" not in found):
            self.wordless.append(str(found))

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._label -= 1
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["title"] and "svg" not in self._open:
            self.title += data


def outline(page: str) -> Outline:
    made = Outline()
    made.feed(page)
    return made


def paths(app: Flask) -> list[str]:
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or set())
        and not rule.arguments
        and not rule.rule.startswith(API)
        and not rule.rule.endswith(".json")
    )


def test_every_page_has_its_outline(app: Flask, client: PageClient) -> None:
    titles: dict[str, str] = {}
    for path in paths(app):
        answer = client.get(path)
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        found = outline(answer.text)
        assert found.lang == "en", path
        assert found.title.strip().endswith("Postroom"), path
        assert found.headings.count(1) == 1, (path, found.headings)
        steps = zip([0, *found.headings], found.headings, strict=False)
        assert all(later <= earlier + 1 for earlier, later in steps), (
            path,
            found.headings,
        )
        assert [name for name, n in found.ids.items() if n > 1] == [], path
        assert found.references <= set(found.ids), path
        assert [one for one in found.unlabelled if one not in found.labelled] == [], (
            path
        )
        assert found.wordless == [], path
        titles.setdefault(found.title, path)
    assert len(titles) > 8


@pytest.mark.parametrize("path", ["/", "/account", "/help", "/nothing"])
def test_the_first_link_skips_to_the_content(client: PageClient, path: str) -> None:
    page = client.get(path).text
    assert page.index('href="#main"') < page.index("<main")
    assert 'id="main"' in page


def test_the_current_page_is_marked_in_the_navigation(client: PageClient) -> None:
    page = client.get("/help").text
    assert '<a href="/help" aria-current="page">' in page
    assert '<a href="/account" aria-current' not in page


def test_errors_of_a_form_are_tied_to_their_fields(client: PageClient) -> None:
    page = client.submit(
        "/account", {"name": "", "email": "x", "time_zone": "UTC"}
    ).text
    assert 'role="alert"' in page
    assert 'href="#name"' in page
    assert 'aria-describedby="name-error"' in page
    assert 'aria-invalid="true"' in page
