"""The description of the API (OpenAPI 3.1), read off the routes and their forms.

Each API view carries `operation`; summary and description are its docstring, the body
is its form class. So the description cannot drift away from what runs.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from werkzeug.routing import IntegerConverter, Rule
from wtforms import Field, FieldList, FormField, validators
from wtforms.fields import (
    BooleanField,
    DecimalField,
    FloatField,
    IntegerField,
    SelectField,
    SelectMultipleField,
)

from webapp.core.forms import ObjectField, PostForm

View = TypeVar("View", bound=Callable[..., Any])
VERSION = "3.1.0"
PREFIX = "/api/v1"


@dataclass(frozen=True)
class Operation:
    """What a view takes and gives.

    Attributes
    ----------
    body
        Form class of the JSON body; ``None`` where there is no body.
    multipart
        Whether the body is a multipart form.
    answer
        JSON Schema of a good answer.
    status
        HTTP status of a good answer.
    query
        Name to description of the query parameters.
    partial
        Whether all fields of the body are optional (PATCH).
    """

    body: type[PostForm] | None = None
    multipart: bool = False
    answer: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False


def operation(**what: Any) -> Callable[[View], View]:
    """Describe an API view; see `Operation` for the arguments."""

    def describe(view: View) -> View:
        view.operation = Operation(**what)  # type: ignore[attr-defined]  # a mark on a function
        return view

    return describe


def schema_object(**properties: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of an object with these properties.

    A property is a schema, or the name of a type; ``string?`` may be null.

    Examples
    --------
    >>> schema_object(id="integer", reason="string?")["properties"]["reason"]
    {'type': ['string', 'null']}
    """
    return {
        "type": "object",
        "properties": {name: _property(kind) for name, kind in properties.items()},
        "required": list(properties),
    }


def schema_list(items: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of one page of a list."""
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": dict(items)},
            "next": {"type": ["string", "null"]},
        },
        "required": ["items", "next"],
    }


LIST_QUERY = {"limit": "At most 500; 50 unless told.", "cursor": "From `next`."}


def document(app: Flask, base_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of all API routes."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        what = getattr(app.view_functions[rule.endpoint], "operation", None)
        if not rule.rule.startswith(PREFIX) or what is None:
            continue
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule[len(PREFIX) :])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = _describe(app, rule, what, method)
            paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": VERSION,
        "info": {"title": "Postroom", "version": "1"},
        "servers": [{"url": base_url + PREFIX}],
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


_PROBLEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reference": {"type": "string"},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["type", "title", "status", "detail"],
}


_KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A text of your own: under the same key the effect happens once.",
    "schema": {"type": "string", "maxLength": 255},
}


def _describe(app: Flask, rule: Rule, what: Operation, method: str) -> dict[str, Any]:
    view = app.view_functions[rule.endpoint]
    text = inspect.getdoc(view) or ""
    summary, _, description = text.partition("\n\n")
    scope = getattr(view, "scope", None)
    described: dict[str, Any] = {
        "operationId": f"{rule.endpoint.replace('.', '_')}_{method.lower()}",
        "tags": [rule.endpoint.split(".")[0].removesuffix("_api")],
        "summary": " ".join(summary.split()),
        "parameters": [
            *_path_parameters(rule),
            *_query_parameters(what),
            *([_KEY_PARAMETER] if getattr(view, "idempotent", False) else []),
        ],
        "responses": _responses(what),
    }
    if description or scope:
        needs = f"Needs the scope `{scope}`." if scope else ""
        described["description"] = f"{description}\n\n{needs}".strip()
    if what.body is not None or what.multipart:
        described["requestBody"] = _body(what)
    return described


def _responses(what: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if what.answer and what.status != 204:  # noqa: PLR2004 - No Content has no body
        good["content"] = {"application/json": {"schema": dict(what.answer)}}
    wrong = {
        "description": "Problem details.",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}
            }
        },
    }
    return {str(what.status): good, "default": wrong}


def _body(what: Operation) -> dict[str, Any]:
    kind = "multipart/form-data" if what.multipart else "application/json"
    schema: dict[str, Any] = {"type": "object"}
    if what.body is not None:
        schema = _form_schema(what.body(), partial=what.partial)
    return {"required": True, "content": {kind: {"schema": schema}}}


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    converters = rule._converters
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {
                "type": "integer"
                if isinstance(converters.get(name), IntegerConverter)
                else "string"
            },
        }
        for name in sorted(rule.arguments)
    ]


def _query_parameters(what: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "description": words,
            "schema": {"type": "integer" if name == "limit" else "string"},
        }
        for name, words in what.query.items()
    ]


def _form_schema(form: Any, *, partial: bool = False) -> dict[str, Any]:
    required = [
        name for name, one in form._fields.items() if one.flags.required and not partial
    ]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.short_name: _field_schema(one) for one in form},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return schema


_KINDS: tuple[tuple[type[Field], str], ...] = (
    (BooleanField, "boolean"),
    (IntegerField, "integer"),
    (DecimalField, "number"),
    (FloatField, "number"),
    (ObjectField, "object"),
)


def _field_schema(one: Any) -> dict[str, Any]:
    if (own := getattr(one, "json_schema", None)) is not None:
        return dict(own)
    if isinstance(one, FormField):
        return _form_schema(one.form)
    if isinstance(one, FieldList):
        entry = one.append_entry()
        return {"type": "array", "items": _field_schema(entry)}
    schema = _value_schema(one)
    for rule in one.validators:
        if isinstance(rule, validators.Length) and rule.max > 0:
            schema["maxLength"] = rule.max
    if one.description:
        schema["description"] = str(one.description)
    return schema


def _value_schema(one: Any) -> dict[str, Any]:
    if isinstance(one, SelectMultipleField):
        return {"type": "array", "items": {"type": "string"}}
    kinds = (name for kind, name in _KINDS if isinstance(one, kind))
    schema: dict[str, Any] = {"type": next(kinds, "string")}
    if isinstance(one, SelectField) and one.choices and not callable(one.choices):
        schema["enum"] = [str(value) for value, *_rest in one.iter_choices()]
    return schema


def _property(kind: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(kind, str):
        return dict(kind)
    if kind.endswith("?"):
        return {"type": [kind[:-1], "null"]}
    return {"type": kind}
