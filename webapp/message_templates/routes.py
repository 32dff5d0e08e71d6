"""Message templates, editor and preview, as pages."""

from flask import Blueprint

bp = Blueprint("message_templates", __name__)
