"""Campaigns, their messages and their live page, as pages."""

from flask import Blueprint

bp = Blueprint("campaigns", __name__)
