"""One form for page and API: the same checks and the same words."""

from typing import Any

import pytest
from flask import Flask
from wtforms import BooleanField, FieldList, FormField, IntegerField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.forms import ObjectField, PostForm


class ColumnForm(PostForm):
    """A nested form."""

    name = StringField(validators=[InputRequired("Name it."), Length(max=5)])


class ThingForm(PostForm):
    """One field of each kind."""

    name = StringField(validators=[InputRequired("Name it.")])
    size = IntegerField(validators=[NumberRange(min=1, message="At least 1.")])
    wanted = BooleanField()
    extra = ObjectField()
    columns = FieldList(FormField(ColumnForm))


def from_json(app: Flask, data: Any, base: Any = None) -> ThingForm:
    with app.test_request_context("/", method="POST", json=data):
        return forms.from_json(ThingForm, base)


def problems(app: Flask, data: Any) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        from_json(app, data)
    return caught.value.fields


GOOD = {
    "name": "Ada",
    "size": 3,
    "wanted": True,
    "extra": {"a": [1]},
    "columns": [{"name": "x"}, {"name": "y"}],
}


def test_json_fills_every_kind_of_field(app: Flask) -> None:
    assert from_json(app, GOOD).values() == GOOD


def test_page_and_json_say_the_same_about_the_same_value(app: Flask) -> None:
    words = problems(app, {**GOOD, "name": "", "size": 0})
    data = {"name": "", "size": "0", "columns-0-name": "x"}
    with app.test_request_context("/", method="POST", data=data):
        form = forms.from_page(ThingForm)
        assert not form.validate()
        assert form.problems() == words


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"unknown": 1}, "unknown"),
        ({"columns": [{"name": "x", "other": 1}]}, "columns.0.other"),
        ({"columns": [{"name": "too long"}]}, "columns.0.name"),
        ({"columns": "x"}, "columns"),
        ({"columns": {"name": "x"}}, "columns"),
        ({"name": {"a": 1}}, "name"),
        ({"wanted": "yes"}, "wanted"),
        ({"size": "many"}, "size"),
        ({"extra": [1]}, "extra"),
        ({"name": None}, "name"),
        ({"name": ["Ada"]}, "name"),
        ({"size": [3]}, "size"),
        ({"name": "A\0da"}, "name"),
        ({"name": "half \ud83d"}, "name"),
        ({"extra": {"a": ["\udc00"]}}, "extra.a.0"),
        ({"columns": [{"name": "\0"}]}, "columns.0.name"),
    ],
)
def test_what_is_wrong_is_named(app: Flask, change: Any, field: str) -> None:
    assert list(problems(app, {**GOOD, **change})) == [field]


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"null"])
def test_a_body_that_is_no_object_is_refused(app: Flask, body: bytes) -> None:
    kind = "application/json"
    with (
        app.test_request_context("/", method="POST", data=body, content_type=kind),
        pytest.raises(Invalid, match="JSON object"),
    ):
        forms.from_json(ThingForm)


def test_a_body_that_is_nested_without_end_is_refused(app: Flask) -> None:
    body = b'{"extra": ' + b"[" * 100_000
    kind = "application/json"
    with (
        app.test_request_context("/", method="POST", data=body, content_type=kind),
        pytest.raises(Invalid, match="too deep"),
    ):
        forms.from_json(ThingForm)


def test_a_page_refuses_what_no_database_can_hold(app: Flask) -> None:
    data = {"name": "A\0da", "size": "1"}
    with app.test_request_context("/", method="POST", data=data):
        form = forms.from_page(ThingForm)
        assert not form.validate()
        assert list(form.problems()) == ["name"]
        assert form.name.data == "A\0da"


def test_a_patch_keeps_what_it_does_not_name(app: Flask) -> None:
    changed = from_json(app, {"size": 9}, GOOD).values()
    assert changed == {**GOOD, "size": 9}


def test_words_of_a_service_stand_beside_the_field() -> None:
    form = ThingForm()
    form.show(Invalid("No.", {"name": ["Taken."], "elsewhere": ["x"]}))
    form.show(Invalid("No.", {"name": ["Taken."]}))
    assert form.problems() == {"name": ["Taken."]}


@pytest.mark.parametrize("typed", ["0.5", "many"])
def test_what_is_no_whole_number_is_told_once(app: Flask, typed: str) -> None:
    with app.test_request_context("/", method="POST", data={"size": typed}):
        form = forms.from_page(ThingForm)
        assert not form.validate()
    assert form.problems()["size"] == ["Write a whole number."]
    assert f'value="{typed}"' in form.size()
