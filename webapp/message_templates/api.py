"""Message templates, editor and preview, as JSON."""

from flask import Blueprint

bp = Blueprint("message_templates_api", __name__, url_prefix="/api/v1")
