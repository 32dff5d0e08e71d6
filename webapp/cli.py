"""What can be done without a browser: ``flask --app webapp …``.

Errors are one sentence on standard error; the exit code is 1 when something was refused
and 2 when the command or a setting is wrong. What a program wants to read (a new token,
a status as JSON) is all there is on standard output.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import click
import sqlalchemy as sa
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

import config
from webapp.campaigns import launching, live, tallies, timing
from webapp.campaigns import service as campaigns
from webapp.campaigns.timing_forms import WhenForm
from webapp.core import schema
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import DomainError, Invalid, Refused
from webapp.core.http import LARGEST_ID
from webapp.mailboxes import indexing, watching
from webapp.mailboxes import resealing as mailboxes_resealing
from webapp.operators import audit, service, tokens
from webapp.operators.models import Operator, Role
from webapp.practice import kit
from webapp.recipients import import_run
from webapp.recipients import import_service as imports
from webapp.recipients import service as recipients
from webapp.recipients.models import ImportMode, ImportState, RecipientTable
from webapp.senders import resealing as senders_resealing

REJECTS_SHOWN = 20

ID = click.IntRange(1, LARGEST_ID)


class Command(click.Command):
    """A command that says what was refused in words."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it.

        Raises
        ------
        click.ClickException
            If something was refused.
        """
        try:
            return super().invoke(ctx)
        except DomainError as error:
            raise click.ClickException(_sentence(error)) from error
        except sa.exc.DBAPIError as error:
            words = str(error.orig).strip().partition("\n")[0]
            raise click.ClickException(
                "DATABASE_URL: the database does not answer, or is not up to date "
                f"({words}). This brings it up to date: "
                "flask --app webapp db upgrade"
            ) from error


class Group(AppGroup):
    """Commands that run inside the application."""

    command_class = Command


operator_group = Group("operator", help="Operators: the people who sign in.")
token_group = Group("token", help="Tokens of the API.")
campaign_group = Group("campaign", help="Campaigns.")
database_group = Group("db", help="The database.")
mailbox_group = Group("mailbox", help="Mailboxes.")
secrets_group = Group("secrets", help="The secret key, and what it seals.")
practice_group = Group("practice", help="The example, and the practice servers.")
GROUPS = (
    operator_group,
    token_group,
    campaign_group,
    mailbox_group,
    practice_group,
    secrets_group,
    database_group,
)
# Whoever keeps sealed secrets seals them anew.
RESEALERS = (senders_resealing, mailboxes_resealing)


def init_app(app: Flask) -> None:
    """Add the commands to an application."""
    app.cli.add_command(import_csv)
    for group in GROUPS:
        app.cli.add_command(group)


def settings() -> config.Settings:
    """Return the settings of the environment; a wrong one is said in words.

    Raises
    ------
    click.UsageError
        If a setting is wrong and this is the command line.
    config.SettingsError
        If it is wrong elsewhere.
    """
    try:
        return config.read()
    except config.SettingsError as error:
        if click.get_current_context(silent=True) is None:
            raise
        raise click.UsageError(str(error)) from error


def _sentence(error: DomainError) -> str:
    if not isinstance(error, Invalid):
        return error.words
    lines = [line for lines in error.fields.values() for line in lines]
    return " ".join(dict.fromkeys([error.words, *lines]))


def _password() -> str:
    """Ask for a password, or read it from the first line of standard input."""
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return text
    return sys.stdin.readline().rstrip("\r\n")


role_option: Callable[..., Any] = click.option(
    "--role", type=click.Choice([role.value for role in Role]), default="manager"
)


@operator_group.command("create")
@click.option("--name", prompt=True)
@click.option("--email", prompt=True)
@role_option
@click.option("--time-zone", default="UTC", show_default=True)
def operator_create(name: str, email: str, role: str, time_zone: str) -> None:
    """Create an operator; the password comes from a prompt or standard input."""
    made = service.create(
        name, email, _password(), role=Role(role), time_zone=time_zone
    )
    click.echo(f"{made.name} can sign in with {made.email}.")


@operator_group.command("list")
def operator_list() -> None:
    """List the operators."""
    for one in db.session.scalars(sa.select(Operator).order_by(Operator.id)):
        click.echo(f"{one.email}\t{one.role}\t{one.name}")


@operator_group.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def operator_role(email: str, role: str) -> None:
    """Give an operator another role; their sessions end."""
    changed = service.change_role(service.by_email(email).id, Role(role))
    click.echo(f"{changed.name} is {changed.role} now.")


@operator_group.command("password")
@click.argument("email")
def operator_password(email: str) -> None:
    """Set a new password; all sessions of the operator end."""
    changed = service.reset_password(email, _password())
    click.echo(f"{changed.name} has a new password.")


@token_group.command("create")
@click.argument("email")
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(tokens.SCOPES), multiple=True, required=True
)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True)
def token_create(email: str, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make an API token of an operator and print it, this once."""
    until = now() + timedelta(days=days)
    _token, text = tokens.create(service.by_email(email), name, scopes, until)
    click.echo("Keep it; it cannot be shown again.", err=True)
    click.echo(text)


@campaign_group.command("launch")
@click.argument("campaign_id", type=ID)
@click.option(
    "--expect",
    type=ID,
    required=True,
    help="How many recipients you expect; another number is refused.",
)
@click.option("--hold", type=click.IntRange(0, launching.LONGEST_HOLD), default=0)
@click.option("--at", help="When, as 2026-11-23T08:00; else now.")
@click.option("--time-zone", help="Whose clock --at means, such as Europe/Lisbon.")
def campaign_launch(
    campaign_id: int, expect: int, hold: int, at: str | None, time_zone: str | None
) -> None:
    """Launch a campaign whose check is through, now or at a time."""
    form = WhenForm(data={"scheduled_at": at, "time_zone": time_zone})
    form.check()
    given = {name: value for name, value in form.values().items() if form[name].data}
    campaign = launching.launch(campaign_id, expect, hold, given)
    moment = timing.moment_of(campaign)
    if moment is not None:
        click.echo(
            f"“{campaign.name}” is scheduled: {expect} recipients on {moment.words}."
            f" {moment.remark}".rstrip()
        )
        return
    click.echo(f"“{campaign.name}” is {campaign.state}: {expect} recipients.")


@campaign_group.command("status")
@click.argument("campaign_id", type=ID)
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
def campaign_status(campaign_id: int, as_json: bool) -> None:
    """Say how far a campaign is."""
    campaign = campaigns.get(campaign_id)
    found = live.status_of(campaign)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{campaign.name}: {found['state']}, {found['percent']} %")
    for status, number in found["counts"].items():
        if number:
            click.echo(f"{number:>8} {status}")


@mailbox_group.command("watch")
def watch_mailboxes() -> None:
    """Listen to all mailboxes, and keep the index of their headers.

    New mail is then on the pages at once, and searches do not wait for the server.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signum, _frame: stopping.set())
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way to hand the app to a thread
    index = threading.Thread(target=indexing.keep_on, args=(app, stopping), daemon=True)
    index.start()
    watching.run(app, stopping)
    index.join(indexing.SECONDS)


@practice_group.command("kit")
@click.argument("email")
def practice_kit(email: str) -> None:
    """Lay out the example and the practice mailbox, as set-up does for an operator."""
    kit.create(service.by_email(email))
    click.echo("The example and the practice mailbox are there.")


@click.command("import-csv", cls=Command)
@click.argument("table")
@click.argument("file", type=click.File("rb"))
@click.option("--update", "key", help="Column that tells which row is which.")
@with_appcontext
def import_csv(table: str, file: IO[bytes], key: str | None) -> None:
    """Import FILE into the recipient table TABLE (name or id); a new name makes one.

    Good rows go in, bad ones are named with their row number and the reason.
    """
    found = _table(table)
    mode = ImportMode.UPDATE if key else ImportMode.ADD
    made = imports.upload(found.id, file, Path(file.name).name, {})
    imports.prepare(made.id, made.mapping, mode, key or "")
    imports.start(made.id, as_job=False)
    import_run.work(made.id)
    done = imports.get(made.id)
    for reject in imports.rejects_after(done.id, 0, REJECTS_SHOWN):
        click.echo(f"row {reject.row_number}: {reject.reason}", err=True)
    if done.state is not ImportState.FINISHED:
        raise Refused(f"{done.words} {done.added} rows are in.")
    click.echo(
        f"{done.rows_read} rows read: {done.added} added, {done.updated} updated, "
        f"{done.unchanged} unchanged, {done.rejected} rejected."
    )


def _table(name: str) -> RecipientTable:
    if name.isdigit():
        return recipients.get(int(name))
    same = recipients.all_tables().where(RecipientTable.name == name)
    found: RecipientTable | None = db.session.scalar(same)
    return found or recipients.create(name, [])


@database_group.command("upgrade")
def database_upgrade() -> None:
    """Bring the database to the newest shape."""
    schema.upgrade(current_app.config["POSTROOM"].database_url)
    click.echo("The database is up to date.")


@database_group.command("check")
def database_check() -> None:
    """Count the messages of all campaigns, and compare with the numbers kept."""
    wrong = tallies.differences()
    for words in wrong:
        click.echo(words)
    if wrong:
        sys.exit(1)
    click.echo("Every number kept is that of the rows.")


@secrets_group.command("rotate")
def rotate_secret_key() -> None:
    """Make a new secret key; the one in use stays below it in the file."""
    path = current_app.config["POSTROOM"].secret_key_file
    if path is None:
        raise Refused(
            "SECRET_KEY is set in the environment. Put a new one there and this one "
            "into OLD_SECRET_KEYS, restart everything, then run: "
            "flask --app webapp secrets reseal"
        )
    try:
        config.add_key(path)
    except config.SettingsError as error:
        raise Refused(str(error)) from error
    audit.record("secrets.rotated", "installation")
    db.session.commit()
    click.echo(
        f"The first line of {path} is a new key; the older ones below it still open "
        "and verify. Give every machine this file and restart the web server and all "
        "workers, then run: flask --app webapp secrets reseal"
    )


@secrets_group.command("reseal")
def reseal_secrets() -> None:
    """Seal with the key in use what older keys sealed."""
    outcomes = [one for part in RESEALERS for one in part.reseal()]
    done = sum(opened for _what, opened in outcomes)
    closed = [what for what, opened in outcomes if not opened]
    audit.record("secrets.resealed", "installation", sealed=done, closed=len(closed))
    db.session.commit()
    click.echo(f"Sealed with the key in use: {done}.")
    if closed:
        raise Refused("No key opens: " + ", ".join(closed) + ". Save them again.")
