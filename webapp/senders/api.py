"""Senders, as JSON."""

from flask import Blueprint

bp = Blueprint("senders_api", __name__, url_prefix="/api/v1")
