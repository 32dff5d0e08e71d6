"""Mailboxes, as JSON."""

from flask import Blueprint

bp = Blueprint("mailboxes_api", __name__, url_prefix="/api/v1")
