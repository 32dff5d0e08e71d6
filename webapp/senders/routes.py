"""Senders, as pages."""

from flask import Blueprint

bp = Blueprint("senders", __name__)
