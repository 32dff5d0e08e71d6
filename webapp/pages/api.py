"""The status of the installation, and the description of the API."""

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue

from webapp.core.openapi import document, operation, schema_object
from webapp.operators.access import Scope, public, requires
from webapp.pages import health

bp = Blueprint("pages_api", __name__, url_prefix="/api/v1")

NUMBERS = {"type": "object", "additionalProperties": {"type": "integer"}}


@bp.get("/status")
@requires(Scope.READ)
@operation(
    answer=schema_object(
        serving="boolean",
        sending="boolean",
        database="boolean",
        redis="boolean",
        workers="integer",
        queues=NUMBERS,
        mailboxes=NUMBERS,
    )
)
def status() -> ResponseReturnValue:
    """Say how the parts are.

    `serving`: pages and API work. `sending`: at least one worker is at work, too.
    `queues` maps a queue to its waiting jobs, `mailboxes` a state to their number.
    """
    found = health.look()
    return jsonify(
        serving=found.is_serving,
        sending=found.is_sending,
        database=found.database,
        redis=found.redis,
        workers=found.workers,
        queues=found.queues,
        mailboxes=found.mailboxes,
    )


@bp.get("/openapi.json")
@public("describes the API and no data; read before there is a token")
@operation()
def openapi_document() -> ResponseReturnValue:
    """Describe this API, as OpenAPI 3.1."""
    return jsonify(document(current_app, current_app.config["POSTROOM"].base_url))
