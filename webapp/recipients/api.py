"""Recipient tables, rows and imports, as JSON."""

from flask import Blueprint

bp = Blueprint("recipients_api", __name__, url_prefix="/api/v1")
