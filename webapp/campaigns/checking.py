"""The check before a launch: render every recipient, and say who gets it and who not.

It runs as a job. What it found is kept in `Campaign.check_result`: all counts, and
the first 200 rows of each kind. An edit in the meantime makes the result worthless, so
it is stored only for the version of the campaign that it began with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import moves, own_files
from webapp.campaigns.audience import Audience, Person, audience_of, batches
from webapp.campaigns.inline_images import image_findings
from webapp.campaigns.judging import Judge, shown
from webapp.campaigns.letters import (
    Row,
    Stationery,
    letter_of,
    stationery_of,
    values_of,
    with_own,
)
from webapp.campaigns.models import Campaign
from webapp.campaigns.own_files import NOTHING_OWN, Own
from webapp.campaigns.reasons import SkipClass
from webapp.campaigns.sender_findings import of_sender
from webapp.campaigns.states import State
from webapp.composing.addresses import AddressError
from webapp.composing.letter import ComposeError
from webapp.composing.mime import compose
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.message_templates.lint import without_remark_on
from webapp.message_templates.rendering import Rendered, RenderFailure, RenderPool

SHOWN_ROWS = 200
#: What the help calls them.
CODES: dict[str, str] = {
    SkipClass.BAD_ADDRESS: "R01",
    SkipClass.NO_ADDRESS: "R01",
    SkipClass.DUPLICATE: "R02",
    SkipClass.SUPPRESSED: "R03",
}
PROBLEM_ADDRESSES = frozenset({SkipClass.BAD_ADDRESS, SkipClass.NO_ADDRESS})


@dataclass
class Tally:
    """What a check has found so far."""

    rows: int = 0
    recipients: int = 0
    problems: int = 0
    problem_rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    subject: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    sender_findings: list[dict[str, Any]] = field(default_factory=list)

    def gets_it(self, person: Person, rendered: Rendered) -> None:
        """Count a recipient who gets the message."""
        self.recipients += 1
        self.last = {"name": person.name, "address": person.address, "row": person.row}
        if not self.first:
            self.first, self.subject = self.last, rendered.subject

    def skip(self, person: Person) -> None:
        """Count a recipient who is left out by itself."""
        kind = str(person.skip)
        self.skipped[kind] = self.skipped.get(kind, 0) + 1
        listed = self.skipped_rows.setdefault(kind, [])
        if len(listed) < SHOWN_ROWS:
            listed.append(entry(person, kind, person.words))

    def problem(
        self, person: Person, kind: str, words: str, variable: str = ""
    ) -> None:
        """Count a recipient about whom somebody has to decide."""
        self.problems += 1
        if len(self.problem_rows) < SHOWN_ROWS:
            row = entry(person, kind, words)
            self.problem_rows.append({**row, "variable": variable})


def entry(person: Person, kind: str, words: str) -> dict[str, Any]:
    """Return one row of a check's result."""
    return {
        "recipient_id": person.id,
        "row": person.row,
        "name": person.name,
        "address": person.address,
        "class": kind,
        "code": CODES.get(kind, ""),
        "words": words,
    }


def obstacles(campaign: Campaign) -> list[str]:
    """Return what has to be chosen before any row can be checked."""
    table, sender = campaign.recipient_table, campaign.sender
    found = []
    if table is None or table.deleted_at:
        found.append(_("Choose a recipient table."))
    elif not table.address_column:
        found.append(_("The recipient table has no column of e-mail addresses."))
    elif campaign.attachment_column not in ("", *(one.name for one in table.columns)):
        words = _("The recipient table has no column “%(name)s” that names files.")
        found.append(words.replace("%(name)s", campaign.attachment_column))
    if campaign.message_template is None or not campaign.message_template.versions:
        found.append(_("Choose a message template."))
    if sender is None or sender.archived_at:
        found.append(_("Choose a sender."))
    return found


def fingerprint(campaign: Campaign) -> dict[str, Any]:
    """Return the versions of everything that a check depends on, if it is there."""
    table, sender = campaign.recipient_table, campaign.sender
    template = campaign.message_template
    return {
        "campaign": campaign.version,
        "recipient_table": [table.id, table.version, table.rows_version]
        if table and not table.deleted_at
        else [],
        "message_template": [template.id, template.versions[0].id] if template else [],
        "sender": [sender.id, sender.version]
        if sender and not sender.archived_at
        else [],
    }


def changed_since(campaign: Campaign) -> list[str]:
    """Return what was changed since the check; empty while its result holds."""
    kept = campaign.check_result.get("fingerprint")
    if not kept:
        return []
    words = {
        "campaign": _("the campaign"),
        "recipient_table": _("the recipient table"),
        "message_template": _("the message template"),
        "sender": _("the sender"),
    }
    seen = fingerprint(campaign)
    return [words[name] for name in words if kept.get(name) != seen[name]]


def run(campaign_id: int) -> None:
    """Check a campaign that is *checking*; it ends *ready*, or *draft* again."""
    with reading():
        campaign = db.session.get(Campaign, campaign_id)
        if campaign is None or campaign.state != State.CHECKING:
            db.session.rollback()
            return
        version, seen = campaign.version, fingerprint(campaign)
        blocking = obstacles(campaign)
        db.session.rollback()
    tally = Tally()
    if not blocking:
        try:
            if not _go_through(campaign_id, version, tally):
                return
        except AddressError as error:
            db.session.rollback()
            blocking.append(
                _("An address of the campaign: %(words)s", words=error.words)
            )
    _store(campaign_id, version, {**_result(tally, blocking), "fingerprint": seen})


def _go_through(campaign_id: int, version: int, tally: Tally) -> bool:
    """Check all rows; false when the campaign was changed or left meanwhile."""
    with reading():
        campaign = db.session.get_one(Campaign, campaign_id)
        table = campaign.recipient_table
        assert table is not None
        stationery, audience = stationery_of(campaign), audience_of(campaign, table)
        judge = _judge_of(campaign)
        if campaign.sender is not None:
            reply_to = campaign.reply_to or campaign.sender.reply_to
            tally.sender_findings = of_sender(campaign.sender, reply_to)
        db.session.rollback()
    people = batches(audience)
    with RenderPool() as pool:
        tally.findings = _lint(stationery, audience, pool) + _images(stationery)
        work = _Work(stationery, judge, pool, tally)
        while True:
            with reading():
                batch = next(people, None)
                campaign = db.session.get_one(Campaign, campaign_id)
                owns = own_files.of_people(campaign, batch or ())
                db.session.rollback()
            if batch is None:
                told = {one["code"] for one in tally.findings}
                tally.findings += judge.findings(told)
                tally.passed = judge.passed()
                return True
            work.check(batch, owns)
            if not _still_wanted(campaign_id, version, tally.rows):
                return False


def _lint(
    stationery: Stationery, audience: Audience, pool: RenderPool
) -> list[dict[str, Any]]:
    """Return what the linter says about the message template, without its fixes.

    That the column of addresses is not written in the message is no finding.
    """
    assert stationery.source is not None
    said = pool.check(stationery.source, audience.columns, stationery.base_url)
    return [shown(one) for one in without_remark_on(audience.address_column, said)]


def _images(stationery: Stationery) -> list[dict[str, Any]]:
    """Return what is missing or too much among the inline images."""
    source = stationery.source
    assert source is not None
    written = source.html + (source.text if source.format == "markdown" else "")
    ids = {one.content_id for one in stationery.attachments if one.content_id}
    return image_findings(written, frozenset(ids))


def _judge_of(campaign: Campaign) -> Judge:
    table, sender = campaign.recipient_table, campaign.sender
    assert table is not None
    untrusted = [column.name for column in table.columns if column.untrusted]
    return Judge(untrusted, sender.server_size if sender else 0)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is needed to check one batch after another."""

    stationery: Stationery
    judge: Judge
    pool: RenderPool
    tally: Tally

    def check(self, batch: Sequence[Person], owns: Mapping[int, Own]) -> None:
        """Render, compose and count some recipients."""
        self.tally.rows += len(batch)
        wanted: list[tuple[Person, Row]] = []
        for person in batch:
            own = owns.get(person.id, NOTHING_OWN)
            if person.skip in PROBLEM_ADDRESSES:
                self.tally.problem(person, str(person.skip), person.words)
            elif person.skip:
                self.tally.skip(person)
            elif own.words:
                self.tally.problem(person, "content", own.words)
            else:
                wanted.append((person, row_for(person)))
        source, base = self.stationery.source, self.stationery.base_url
        assert source is not None
        values = [values_of(self.stationery, row) for _person, row in wanted]
        made = self.pool.render_many(source, values, base)
        is_sample = True
        for (person, row), rendered in zip(wanted, made, strict=True):
            own = owns.get(person.id, NOTHING_OWN)
            if self._is_good(person, row, own, rendered, is_sample=is_sample):
                is_sample = False

    def _is_good(
        self,
        person: Person,
        row: Row,
        own: Own,
        rendered: Rendered | RenderFailure,
        *,
        is_sample: bool,
    ) -> bool:
        """Compose and count one recipient."""
        if isinstance(rendered, RenderFailure):
            words, variable = rendered.words, rendered.variable or ""
            self.tally.problem(person, "content", words, variable)
            return False
        try:
            row = with_own(row, own.files)
            composed = compose(letter_of(self.stationery, row, rendered))
            words = self.judge.message(composed, is_sample)
        except (ComposeError, AddressError) as error:
            words = error.words
        if words:
            self.tally.problem(person, "content", words)
            return False
        self.judge.person(person)
        self.tally.gets_it(person, rendered)
        return True


def row_for(person: Person) -> Row:
    """Return a row to try rendering and composing with, before there is a message."""
    public_id = uuid7()
    return Row(
        public_id=public_id,
        address=person.address,
        name=person.name,
        row_values=person.values,
        message_id_header=f"<{public_id.hex}@check.invalid>",
        dated_at=now(),
    )


def _still_wanted(campaign_id: int, version: int, done: int) -> bool:
    kept = db.session.execute(
        sa.update(Campaign)
        .where(
            Campaign.id == campaign_id,
            Campaign.state == State.CHECKING,
            Campaign.version == version,
        )
        .values(check_done=done, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return bool(kept.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _result(tally: Tally, blocking: list[str]) -> dict[str, Any]:
    found = asdict(tally)
    found["problem_rows"].sort(key=lambda row: row["row"])
    skipped, rows = found.pop("skipped"), found.pop("skipped_rows")
    return {
        **found,
        "blocking": blocking,
        "skipped": {
            kind: {"count": count, "rows": rows[kind]}
            for kind, count in sorted(skipped.items())
        },
    }


def is_clean(result: dict[str, Any]) -> bool:
    """Whether nothing in a check's result stands in the way of a launch.

    Examples
    --------
    >>> is_clean({"recipients": 8, "problems": 0, "blocking": []})
    True
    >>> is_clean({"recipients": 8, "problems": 1, "blocking": []}), is_clean({})
    (False, False)
    """
    findings = result.get("findings", [])
    bad = [found for found in findings if found["severity"] == "error"]
    problems = result.get("problems") or result.get("blocking") or bad
    return not problems and result.get("recipients", 0) > 0


def _store(campaign_id: int, version: int, result: dict[str, Any]) -> None:
    moves.move(
        campaign_id,
        State.READY if is_clean(result) else State.DRAFT,
        Campaign.state == State.CHECKING,
        Campaign.version == version,
        kind="checked",
        check_result=result,
        check_done=result["rows"],
        checked_at=now(),
    )
    db.session.commit()
