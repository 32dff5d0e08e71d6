"""Suppressions, as JSON."""

from flask import Blueprint

bp = Blueprint("suppressions_api", __name__, url_prefix="/api/v1")
