"""Campaigns, their messages and their live page, as JSON."""

from flask import Blueprint

bp = Blueprint("campaigns_api", __name__, url_prefix="/api/v1")
