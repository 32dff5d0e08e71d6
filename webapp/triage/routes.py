"""Triage: mails in three panes, as pages."""

from flask import Blueprint

bp = Blueprint("triage", __name__)
