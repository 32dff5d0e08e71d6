"""The application for one test: as the product makes it, with the drudgery done once.

Two things are the same for every application of a process and cost more than the tests
themselves, so the first one leaves them to those after it: the code that Jinja compiled
from the page templates, and the SQL that SQLAlchemy compiled from the queries. Neither
holds anything of a request, a setting or a row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

import config
import webapp
from webapp.core.db import db

# By the name of the dialect: it is part of the key of what was compiled for it.
_compiled: dict[str, tuple[sa.Dialect, Any]] = {}


class CompiledPages(BytecodeCache):
    """Compiled page templates by their name and content, in memory."""

    def __init__(self) -> None:
        self.code: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.code[bucket.key, bucket.checksum] = bucket.code


_pages = CompiledPages()


def make_app(settings: config.Settings) -> Flask:
    """Make the application, sharing with those before it what never changes."""
    app = webapp.create_app(settings)
    app.jinja_env.bytecode_cache = _pages
    with app.app_context():
        engine = db.engine
        if engine.name not in _compiled:
            # A dialect learns from its first connection what its database can do.
            engine.connect().close()
            _compiled[engine.name] = engine.dialect, engine._compiled_cache
        engine.dialect, engine._compiled_cache = _compiled[engine.name]
        engine.pool._dialect = engine.dialect
    return app


@contextmanager
def running_app(settings: config.Settings) -> Iterator[Flask]:
    """Make the application, stay in its context, and close its connections."""
    app = make_app(settings)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
        if "redis" in app.extensions:
            # Left to the garbage collector, its socket may be found open in any test.
            app.extensions["redis"].close()
