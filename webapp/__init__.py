"""Postroom: campaigns go out, mailboxes come back, one row of truth per message."""

from webapp.core import importing

# isort: split
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask
from flask_babel import Babel
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

import config
from webapp import cli
from webapp.campaigns import api as campaigns_api
from webapp.campaigns import deciding_routes as campaigns_deciding_routes
from webapp.campaigns import eml_routes, single_api
from webapp.campaigns import jobs as campaigns_jobs
from webapp.campaigns import live_routes as campaigns_live_routes
from webapp.campaigns import sending_routes as campaigns_sending_routes
from webapp.campaigns import single_routes as campaigns_single_routes
from webapp.campaigns import template_api as campaigns_template_api
from webapp.campaigns import template_routes as campaigns_template_routes
from webapp.core import db, embedded_redis, http, logs, presentation, queue, secrets
from webapp.core.url_rules import LateRule
from webapp.delivery import jobs as delivery_jobs
from webapp.mailboxes import api as mailboxes_api
from webapp.mailboxes import filing_api, folders_api, mails_api
from webapp.mailboxes import routes as mailboxes_routes
from webapp.message_templates import api as message_templates_api
from webapp.message_templates import preview_routes as message_previews
from webapp.message_templates import routes as message_templates_routes
from webapp.operators import access, sessions, setup, team_routes
from webapp.operators import api as operators_api
from webapp.operators import routes as operators_routes
from webapp.pages import api as pages_api
from webapp.pages import outbox_api, outbox_routes, public_routes
from webapp.pages import routes as pages_routes
from webapp.practice import kit
from webapp.recipients import api as recipients_api
from webapp.recipients import import_api as recipient_imports_api
from webapp.recipients import import_routes as recipient_import_routes
from webapp.recipients import jobs as recipients_jobs
from webapp.recipients import routes as recipients_routes
from webapp.recipients import row_routes as recipient_row_routes
from webapp.senders import api as senders_api
from webapp.senders import key_api as sender_keys_api
from webapp.senders import key_routes as sender_keys_routes
from webapp.senders import routes as senders_routes
from webapp.suppressions import api as suppressions_api
from webapp.suppressions import routes as suppressions_routes
from webapp.triage import (
    acting_routes,
    answer_api,
    answer_routes,
    history_routes,
    image_api,
    image_routes,
    reading_routes,
    reply_api,
    reply_routes,
    rule_api,
    rule_routes,
    set_aside_api,
    set_aside_routes,
    work_api,
    work_routes,
)
from webapp.triage import api as triage_api
from webapp.triage import routes as triage_routes

ROOT = Path(__file__).resolve().parent.parent
LARGEST_REQUEST = 2 * 1024 * 1024

PAGES: tuple[Blueprint, ...] = (
    pages_routes.bp,
    public_routes.bp,
    outbox_routes.bp,
    operators_routes.bp,
    team_routes.bp,
    recipients_routes.bp,
    recipient_row_routes.bp,
    recipient_import_routes.bp,
    suppressions_routes.bp,
    message_templates_routes.bp,
    message_previews.bp,
    senders_routes.bp,
    sender_keys_routes.bp,
    campaigns_sending_routes.bp,
    campaigns_live_routes.bp,
    campaigns_deciding_routes.bp,
    campaigns_single_routes.bp,
    campaigns_template_routes.bp,
    eml_routes.bp,
    mailboxes_routes.bp,
    triage_routes.bp,
    reading_routes.bp,
    image_routes.bp,
    answer_routes.bp,
    acting_routes.bp,
    work_routes.bp,
    reply_routes.bp,
    history_routes.bp,
    rule_routes.bp,
    set_aside_routes.bp,
)
APIS: tuple[Blueprint, ...] = (
    pages_api.bp,
    outbox_api.bp,
    operators_api.bp,
    recipients_api.bp,
    recipient_imports_api.bp,
    suppressions_api.bp,
    message_templates_api.bp,
    senders_api.bp,
    sender_keys_api.bp,
    campaigns_api.bp,
    single_api.bp,
    campaigns_template_api.bp,
    mailboxes_api.bp,
    folders_api.bp,
    mails_api.bp,
    filing_api.bp,
    triage_api.bp,
    answer_api.bp,
    reply_api.bp,
    work_api.bp,
    image_api.bp,
    set_aside_api.bp,
    rule_api.bp,
)
JOBS = (recipients_jobs, campaigns_jobs, delivery_jobs)


def create_app(settings: config.Settings | None = None) -> Flask:
    """Put the application together.

    Raises
    ------
    config.SettingsError
        If no settings are given and the environment holds a wrong one.
    """
    settings = settings or cli.settings()
    logs.set_up(settings.log_format)
    app = Flask(
        __name__,
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    _refuse_open_debugger(app, settings)
    app.url_rule_class = LateRule
    app.config["POSTROOM"] = settings
    _sign_cookies(app, settings)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_REQUEST
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.config["TRUSTED_HOSTS"] = _trusted_hosts(settings)
    app.config["TEMPLATES_AUTO_RELOAD"] = False
    db.init_app(app, settings.database_url)
    queue.init_app(app, lambda: redis_url(settings))
    http.init_app(app)
    Babel(app)
    presentation.init_app(app)
    sessions.init_app(app)
    # The guard comes before CSRF, which reads the body: a stranger's may not be large.
    access.init_app(app)
    csrf = CSRFProtect(app)
    for page in PAGES:
        app.register_blueprint(page)
    # A mail client has neither cookie nor token; the link itself is signed (RFC 8058).
    csrf.exempt(public_routes.bp)
    for api in APIS:
        csrf.exempt(api)
        app.register_blueprint(api)
    setup.offers_kit(kit.create)
    cli.init_app(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]  # Flask's documented way
    return app


def _sign_cookies(app: Flask, settings: config.Settings) -> None:
    keys = (settings.secret_key, *settings.old_secret_keys)
    new, *older = [secrets.derive(key, "cookies") for key in keys]
    app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = new, older


def _refuse_open_debugger(app: Flask, settings: config.Settings) -> None:
    if app.debug and not config.is_loopback(settings.host):
        raise config.SettingsError(
            "FLASK_DEBUG is on and HOST is not this machine alone; the debugger would "
            "run anybody's code. Leave FLASK_DEBUG out, or set HOST to 127.0.0.1."
        )


def redis_url(settings: config.Settings) -> str:
    """Return the address of Redis; the embedded one is started when none is set."""
    return settings.redis_url or embedded_redis.ensure_running(settings.data_dir)


def _trusted_hosts(settings: config.Settings) -> list[str]:
    public = urlsplit(settings.base_url).hostname or ""
    return [public, settings.host, "127.0.0.1", "localhost", "[::1]"]


importing.is_done()
