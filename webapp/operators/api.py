"""Sign-in, sign-out, account, sessions and API tokens, as JSON."""

from flask import Blueprint

bp = Blueprint("operators_api", __name__, url_prefix="/api/v1")
