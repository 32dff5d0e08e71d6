"""Dashboard, set-up, help, as JSON."""

from flask import Blueprint

bp = Blueprint("pages_api", __name__, url_prefix="/api/v1")
