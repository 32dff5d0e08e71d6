"""Triage: mails in three panes, as JSON."""

from flask import Blueprint

bp = Blueprint("triage_api", __name__, url_prefix="/api/v1")
