"""What can be done without a browser: ``flask --app webapp …``."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Add the commands to an application."""
    del app
