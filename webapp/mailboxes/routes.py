"""Mailboxes, as pages."""

from flask import Blueprint

bp = Blueprint("mailboxes", __name__)
