"""Dashboard, set-up, help, as pages."""

from flask import Blueprint

bp = Blueprint("pages", __name__)
