"""The command line: words on standard error, codes at the exit."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from tests.campaigns.conftest import desk_of
from tests.conftest import PASSWORD
from webapp.campaigns import tallies
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import State, Status
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes.models import Mailbox
from webapp.operators import passwords, service
from webapp.operators.models import ApiToken, Operator, Role
from webapp.recipients.models import RecipientTable

ROOT = Path(__file__).resolve().parent.parent
ADA = ["operator", "create", "--name", "Ada", "--email", "ada@example.org"]


@pytest.fixture
def run(app: Flask) -> Any:
    """Run a command in this process."""
    runner = app.test_cli_runner()

    def command(*args: object, stdin: str = "") -> Result:
        return runner.invoke(args=[str(arg) for arg in args], input=stdin)

    return command


def test_create_an_operator_with_a_password_from_standard_input(run: Any) -> None:
    result = run(*ADA, "--role", "sender", stdin=PASSWORD + "\n")
    assert (result.exit_code, result.stdout) == (
        0,
        "Ada can sign in with ada@example.org.\n",
    )
    ada = service.by_email("ada@example.org")
    assert ada.role is Role.SENDER
    assert passwords.matches(ada.password_hash, PASSWORD)


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        ([*ADA], "short\n", "at least 12 characters"),
        ([*ADA[:-1], "nonsense"], PASSWORD, "This is not an e-mail address."),
        ([*ADA, "--time-zone", "Mars/Base"], PASSWORD, "no such time zone"),
        (["operator", "role", "nobody@example.org", "reader"], "", "no operator with"),
        (["token", "create", "x@example.org", "t", "--scope", "read"], "", "operator"),
        (["campaign", "status", "77"], "", "There is no such campaign."),
        (["campaign", "launch", "77", "--expect", "1"], "", "no such campaign"),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(
    run: Any, args: list[str], stdin: str, words: str
) -> None:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_wrong_usage_ends_with_two(run: Any) -> None:
    assert run("campaign", "launch", "7").exit_code == 2
    assert run("operator", "role", "a@b.c", "emperor").exit_code == 2


def test_a_new_password_ends_the_sessions(run: Any, operator: Operator) -> None:
    result = run("operator", "password", operator.email, stdin="brand new four words\n")
    assert result.exit_code == 0
    db.session.refresh(operator)
    assert passwords.matches(operator.password_hash, "brand new four words")


def test_a_token_is_all_there_is_on_standard_output(
    run: Any, operator: Operator
) -> None:
    result = run("token", "create", operator.email, "shop", "--scope", "read")
    assert result.exit_code == 0
    text = result.stdout.strip()
    assert text.startswith("post_")
    stored = db.session.scalar(sa.select(ApiToken))
    assert stored is not None
    assert stored.scopes == ["read"]
    assert stored.expires_at is not None
    assert text not in stored.token_hash


def test_status_of_a_campaign_in_words_and_as_json(run: Any) -> None:
    campaign = Campaign(name="Hello", state=State.FINISHED)
    db.session.add(campaign)
    db.session.commit()
    db.session.add(Message(campaign_id=campaign.id, status=Status.SENT))
    db.session.commit()
    words = run("campaign", "status", campaign.id).stdout
    assert words.startswith("Hello: finished, 100.0 %")
    found = json.loads(run("campaign", "status", campaign.id, "--json").stdout)
    assert (found["counts"]["sent"], found["percent"]) == (1, 100.0)


@pytest.mark.parametrize("command", [["status"], ["launch", "--expect", "1"]])
def test_an_id_that_no_database_holds_is_wrong_usage(
    run: Any, command: list[str]
) -> None:
    done = run("campaign", *command, 10**30)
    assert done.exit_code == 2
    assert "is not in the range" in done.stderr


def test_launch_refuses_what_was_not_checked(run: Any) -> None:
    campaign = Campaign(name="Hello", state=State.DRAFT)
    db.session.add(campaign)
    db.session.commit()
    result = run("campaign", "launch", campaign.id, "--expect", "3")
    assert result.exit_code == 1
    db.session.refresh(campaign)
    assert campaign.state is State.DRAFT


def test_launch_takes_a_time_in_a_zone(run: Any) -> None:
    desk = desk_of()
    campaign_id = desk.checked().id
    db.session.remove()
    at = f"{now() + timedelta(days=3):%Y-%m-%d}T08:00"
    launch = ("campaign", "launch", campaign_id, "--expect", "3")
    past = run(*launch, "--at", "2020-01-01T08:00")
    assert (past.exit_code, "This time is over." in past.stderr) == (1, True)
    done = run(*launch, "--at", at, "--time-zone", "Asia/Tokyo")
    assert "3 recipients on " in done.stdout
    assert ", 08:00 (Asia/Tokyo), UTC+09:00." in done.stdout
    campaign = db.session.get_one(Campaign, campaign_id)
    assert (campaign.state, campaign.scheduled_at) == (State.SCHEDULED, at)


PEOPLE = "email,first name\nada@example.org,Ada\nivo@example.org,Ivo\n"


def people(tmp_path: Path, text: str = PEOPLE) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(text)
    return path


def test_import_a_file_into_a_new_table(run: Any, tmp_path: Path) -> None:
    result = run("import-csv", "Members", people(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "2 rows read: 2 added" in result.stdout
    table = db.session.scalar(sa.select(RecipientTable))
    assert table is not None
    assert (table.name, table.recipients_count) == ("Members", 2)


def test_import_again_updates_by_key_and_names_bad_rows(
    run: Any, tmp_path: Path
) -> None:
    run("import-csv", "Members", people(tmp_path))
    changed = PEOPLE.replace("Ada", "Ada L.") + "no address,Bob\n"
    path = people(tmp_path, changed)
    result = run("import-csv", "Members", path, "--update", "email")
    assert "0 added, 1 updated, 1 unchanged, 1 rejected" in result.stdout
    assert result.stderr.startswith("row 4:")


@pytest.mark.parametrize("content", ["", "\x00\x01\x02"])
def test_a_file_that_is_no_table_is_refused(
    run: Any, tmp_path: Path, content: str
) -> None:
    result = run("import-csv", "Members", people(tmp_path, content))
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert run("import-csv", "77", people(tmp_path)).exit_code == 1
    assert run("import-csv", "Members", tmp_path / "not-there.csv").exit_code == 2


def flask(
    data_dir: Path, *args: str, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run the real command line in a process of its own."""
    return subprocess.run(  # noqa: S603 - fixed arguments
        [sys.executable, "-m", "flask", "--app", "webapp", *args],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(data_dir), **environ},
        input=PASSWORD + "\n",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_from_nothing_to_a_token_with_the_real_command(tmp_path: Path) -> None:
    early = flask(tmp_path, *ADA)
    assert early.returncode == 1
    assert "flask --app webapp db upgrade" in early.stderr
    assert "Traceback" not in early.stderr
    assert flask(tmp_path, "db", "upgrade").returncode == 0
    assert flask(tmp_path, *ADA).returncode == 0
    made = flask(tmp_path, "token", "create", "ada@example.org", "t", "--scope", "read")
    assert made.returncode == 0
    assert made.stdout.startswith("post_")


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    result = flask(tmp_path, "operator", "list", PORT="ninety")
    assert result.returncode == 2
    assert "PORT must be a whole number" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_practice_kit_can_be_laid_out(run: Any, operator: Operator) -> None:
    assert run("practice", "kit", operator.email).exit_code == 0
    assert db.session.scalars(sa.select(Mailbox.is_practice)).all() == [True]


def test_the_numbers_kept_are_compared_with_the_rows(run: Any) -> None:
    campaign = Campaign(name="Spring", state=State.SENDING)
    db.session.add(campaign)
    db.session.flush()
    db.session.add(Message(campaign_id=campaign.id))
    db.session.commit()
    assert run("db", "check").stdout == "Every number kept is that of the rows.\n"
    db.session.execute(sa.update(tallies.CampaignTally).values(pending=3))
    db.session.commit()
    result = run("db", "check")
    assert (result.exit_code, result.stdout) == (
        1,
        f"campaign {campaign.id}, pending: 1 rows, but 3 kept\n",
    )
