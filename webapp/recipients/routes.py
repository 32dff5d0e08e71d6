"""Recipient tables, rows and imports, as pages."""

from flask import Blueprint

bp = Blueprint("recipients", __name__)
