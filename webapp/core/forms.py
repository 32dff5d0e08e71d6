"""One form class for the page and the API: filled from either, checked the same way.

A page posts text fields; the API posts JSON. `from_json` lays the JSON out as the text
fields that a browser would have posted, so that the same validators say the same words.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from flask import request
from werkzeug.datastructures import MultiDict
from wtforms import Field, FieldList, Form, FormField
from wtforms.fields import (  # type: ignore[attr-defined]  # newer than its stubs
    BooleanField,
    DecimalField,
    FloatField,
    IntegerField,
    SelectChoice,
    StringField,
)

from webapp.core.errors import Invalid

AnyForm = TypeVar("AnyForm", bound="PostForm")
ATTENTION = "Some values need your attention."
# NUL, which PostgreSQL cannot hold, and half of a surrogate pair, which UTF-8 cannot.
BROKEN_TEXT = re.compile("[\0\ud800-\udfff]")
SINGLE = (StringField, IntegerField, DecimalField, FloatField)
NO_NUMBER = "Write a whole number."
BROKEN_WORDS = "This holds a NUL character or half a character. Type it again."


class PostForm(Form):
    """A form whose values are handed to a service as keyword arguments.

    The CSRF token of a page is checked before any view runs, so it is no field here.
    """

    def values(self) -> dict[str, Any]:
        """Return what the fields hold, by name."""
        return {name: field.data for name, field in self._fields.items()}

    def validate(self, extra_validators: Any = None) -> bool:
        """Check all fields, and that their texts can be kept."""
        good = super().validate(extra_validators)
        for one in self._fields.values():
            texts = [text for text in one.raw_data or () if isinstance(text, str)]
            if isinstance(one, IntegerField) and one.process_errors and any(texts):
                one.errors = [NO_NUMBER]  # its bounds say nothing about what is none
            if any(BROKEN_TEXT.search(text) for text in texts):
                one.errors = [*one.errors, BROKEN_WORDS]
                good = False
        return good

    def problems(self) -> dict[str, list[str]]:
        """Return field name to sentences, nested ones with dots: ``columns.0.name``."""
        return dict(_lines("", self.errors))

    def show(self, error: Invalid) -> None:
        """Put the sentences that a service raised beside their fields."""
        for name, lines in error.fields.items():
            if name in self:
                one = self[name]
                known = [str(line) for line in one.errors]
                one.errors = [*known, *(line for line in lines if line not in known)]

    def check(self) -> None:
        """Validate.

        Raises
        ------
        Invalid
            With the sentences of every field that is wrong.
        """
        if not self.validate():
            raise Invalid(ATTENTION, self.problems())


class ObjectField(Field):
    """A JSON object; a page posts it as JSON text."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the text of the field.

        Raises
        ------
        ValueError
            If it is not a JSON object.
        """
        if not valuelist or not valuelist[0]:
            return
        try:
            data = json.loads(valuelist[0])
        except (ValueError, RecursionError) as error:
            raise ValueError("This is not valid JSON.") from error
        if not isinstance(data, dict):
            raise ValueError("This must be a JSON object.")  # noqa: TRY004 - WTForms shows ValueErrors
        self.data = data


def choices(*pairs: tuple[str, Any]) -> Any:
    """Return what a select field offers, from pairs of value and label."""
    return [SelectChoice(value, label) for value, label in pairs]


def from_page(form: type[AnyForm], **defaults: Any) -> AnyForm:
    """Return the form with what the page posted."""
    posted = MultiDict([*request.form.items(multi=True), *request.files.items()])
    return form(posted, **defaults)


def from_json(form: type[AnyForm], base: Mapping[str, Any] | None = None) -> AnyForm:
    """Return the checked form with what the API call posted.

    Parameters
    ----------
    base
        For PATCH: what the fields hold now; the JSON overrides it by field.

    Raises
    ------
    Invalid
        If the body is no JSON object, has unknown fields, or values are wrong.
    """
    data = json_object()
    empty = form()
    unknown = [name for name in data if name not in empty]
    if unknown:
        words = "There is no field of this name."
        raise Invalid(
            "Some fields are unknown.", {name: [words] for name in sorted(unknown)}
        )
    merged = {**{k: v for k, v in (base or {}).items() if k in empty}, **data}
    pairs: list[tuple[str, str]] = []
    try:
        for name, value in merged.items():
            pairs.extend(_spread(name, empty[name], value))
    except Invalid as error:
        # The names of form fields have dashes inside, those of JSON dots.
        fields = {name.replace("-", "."): said for name, said in error.fields.items()}
        raise Invalid(error.words, fields) from error
    filled = form(MultiDict(pairs))
    filled.check()
    return filled


def json_object() -> dict[str, Any]:
    """Return the JSON object in the request's body.

    Raises
    ------
    Invalid
        If there is none.
    """
    data = json_body()
    if not isinstance(data, dict):
        raise Invalid("The body of the request must be a JSON object.")
    return data


def json_body() -> Any:
    """Return the JSON in the request's body; None if there is none.

    Raises
    ------
    Invalid
        If it is nested too deep, or a text in it has no place in a database or mail.
    """
    try:
        data = request.get_json(silent=True)
        _refuse_broken_text("", data)
    except RecursionError as error:
        raise Invalid("The JSON in the body is nested too deep.") from error
    return data


def _refuse_broken_text(name: str, value: Any) -> None:
    if isinstance(value, str):
        if BROKEN_TEXT.search(value):
            raise Invalid(ATTENTION, {name: [BROKEN_WORDS]})
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if BROKEN_TEXT.search(key):
                raise Invalid(ATTENTION, {name: [BROKEN_WORDS]})
            _refuse_broken_text(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_broken_text(f"{name}.{number}" if name else str(number), inner)


def _spread(name: str, field: Field, value: Any) -> Iterable[tuple[str, str]]:
    if value is None:
        return
    if isinstance(field, ObjectField):
        yield name, json.dumps(value)
    elif isinstance(value, dict):
        yield from _spread_form(name, field, value)
    elif isinstance(value, list):
        yield from _spread_list(name, field, value)
    else:
        yield from _spread_single(name, field, value)


def _spread_single(name: str, field: Field, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(field, FieldList | FormField):
        kind = "a list" if isinstance(field, FieldList) else "an object"
        raise Invalid(ATTENTION, {name: [f"This must be {kind}."]})
    if not isinstance(field, BooleanField):
        yield name, value if isinstance(value, str) else json.dumps(value)
    elif not isinstance(value, bool):
        raise Invalid(ATTENTION, {name: ["This must be true or false."]})
    elif value:
        yield name, "y"


def _spread_form(
    name: str, field: Field, value: dict[str, Any]
) -> Iterable[tuple[str, str]]:
    if not isinstance(field, FormField):
        words = "This must be a single value, not an object."
        raise Invalid(ATTENTION, {name: [words]})
    for key, inner in value.items():
        if key not in field.form:
            words = "There is no field of this name."
            raise Invalid("Some fields are unknown.", {f"{name}.{key}": [words]})
        yield from _spread(f"{name}-{key}", field.form[key], inner)


def _spread_list(
    name: str, field: Field, value: list[Any]
) -> Iterable[tuple[str, str]]:
    if isinstance(field, SINGLE):
        words = "This must be a single value, not a list."
        raise Invalid(ATTENTION, {name: [words]})
    if not isinstance(field, FieldList):
        for inner in value:
            yield name, inner if isinstance(inner, str) else json.dumps(inner)
        return
    if field.max_entries and len(value) > field.max_entries:
        raise Invalid(ATTENTION, {name: [f"At most {field.max_entries} of these."]})
    for number, inner in enumerate(value):
        if inner is None or inner == {}:
            raise Invalid(ATTENTION, {f"{name}-{number}": ["This is empty."]})
        entry = type(field)(
            field.unbound_field,
            min_entries=1,
            name=name,
            _form=Form(),
            _meta=field.meta,
        )
        entry.process(None)
        yield from _spread(f"{name}-{number}", entry.entries[0], inner)


def _lines(prefix: str, errors: Any) -> Iterable[tuple[str, list[str]]]:
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            yield from _lines(f"{prefix}.{name}" if prefix else str(name or ""), inner)
    elif (errors and all(isinstance(line, str) for line in errors)) or (
        errors and all(not isinstance(line, Mapping | list | tuple) for line in errors)
    ):
        yield prefix, [str(line) for line in errors]
    else:
        for number, inner in enumerate(errors):
            yield from _lines(f"{prefix}.{number}", inner)
