"""No sequence of events breaks the promise; and a broken protocol is found out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.sending import Desk
from tests.support.world import World, play
from webapp.campaigns import proving
from webapp.campaigns.models import Message
from webapp.campaigns.states import CAMPAIGN_MOVES, FINAL, MOVES, State, Status
from webapp.core.db import db
from webapp.delivery import liveness, marking, recording
from webapp.delivery.excluding import AS_SEEN, SEEN
from webapp.message_templates.rendering import RenderPool


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool() as pool:
        yield pool


def run(desk: Desk, pool: RenderPool, examples: int) -> None:
    run_state_machine_as_test(
        lambda: World(desk, pool),  # type: ignore[arg-type]  # any callable does
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_no_sequence_of_events_breaks_the_promise(desk: Desk, pool: RenderPool) -> None:
    run(desk, pool, 25)


Patch = Callable[[pytest.MonkeyPatch], None]


def mark_without_commit(patch: pytest.MonkeyPatch) -> None:
    """Hand over what was marked, although the mark is taken back."""
    usual = marking.exchange

    def exchange(plan: Any, *given: Any) -> Any:
        if plan is None:
            return usual(plan, *given)
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(db.session, "commit", db.session.rollback)
            return usual(plan, *given)

    patch.setattr(marking, "exchange", exchange)


def mark_whatever_the_status(patch: pytest.MonkeyPatch) -> None:
    """Mark what was read, whoever has it by now."""
    mark_if(patch, SEEN["id"] == Message.id)


def mark_if(patch: pytest.MonkeyPatch, *conditions: Any) -> None:
    """Mark on other conditions, in a statement that is made anew."""
    patch.setattr(marking, "AS_SEEN", sa.and_(*conditions))
    patch.setattr(marking, "_mark_statement", marking._mark_statement.__wrapped__)


def record_whatever_the_attempt(patch: pytest.MonkeyPatch) -> None:
    """Let a late record overwrite a newer try."""
    usual = recording._update_message

    def update(statuses: Sequence[Status]) -> Any:
        statement = usual(statuses)
        criteria = statement._where_criteria
        others = [one for one in criteria if "message.attempt" not in str(one)]
        assert len(others) == len(criteria) - 1
        statement._where_criteria = tuple(others)
        return statement

    made = {of: update(of) for of in recording._UPDATE_MESSAGE}
    patch.setattr(recording, "_UPDATE_MESSAGE", made)


def reap_to_pending(patch: pytest.MonkeyPatch) -> None:
    """Send again at once what a silent worker had marked."""
    usual = liveness.reap

    def reap() -> int:
        lost = usual()
        db.session.execute(
            sa.update(Message)
            .where(Message.reason == liveness.WORDS_LOST)
            .values(status=Status.PENDING, reason="")
        )
        db.session.commit()
        return lost

    patch.setattr(liveness, "reap", reap)


def silence_is_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Take silence after the final dot for a no."""
    from_outcomes = recording._row

    def row(one: Any, at: Any) -> Any:
        made = from_outcomes(one, at)
        if made["status"] == Status.UNKNOWN:
            made["status"] = Status.FAILED
        return made

    patch.setattr(recording, "_row", row)


def pause_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    """Mark without a look at the campaign's state."""
    conditions = [one for one in AS_SEEN.clauses if "campaign.state" not in str(one)]
    mark_if(patch, *conditions)
    patch.setattr(marking, "_is_open", lambda *_given: True)


def forget_early_answers(patch: pytest.MonkeyPatch) -> None:
    """Do not look at what came back before a row became unknown."""
    patch.setattr(proving, "catch_up", lambda _ids: None)


def answers_prove_nothing(patch: pytest.MonkeyPatch) -> None:
    """Leave unknown what somebody answers."""
    patch.setattr(proving, "it_went", lambda *_given: False)


Steps = tuple[tuple[str, dict[str, Any]], ...]
READ = {"which": 1, "count": 4, "is_fresh": False, "commit": "heard"}


def send(*fates: str, which: int = 0, is_recorded: bool = True) -> Any:
    values = {"which": which, "fates": list(fates), "is_recorded": is_recorded}
    return ("send", values)


SCRIPTS: tuple[tuple[Patch, Steps], ...] = (
    (mark_without_commit, (send("accepts", is_recorded=False),)),
    (
        mark_whatever_the_status,
        (
            send("accepts"),
            ("mark", READ),
            ("begin", {"which": 1, "count": 4}),
            ("hand_over", {"which": 1, "fates": ["accepts"]}),
        ),
    ),
    (
        record_whatever_the_attempt,
        (
            send("defers"),
            ("clock", {"minutes": 400}),
            ("mark", {"which": 1, "count": 1, "is_fresh": True, "commit": "heard"}),
            ("begin", {"which": 1, "count": 1}),
            ("record", {"which": 0, "commit": "heard", "is_again": True}),
        ),
    ),
    (
        reap_to_pending,
        (
            send("accepts", is_recorded=False),
            ("trouble", {"which": 0, "what": "freezes"}),
            ("reconcile", {"times": 1}),
        ),
    ),
    (
        forget_early_answers,
        (
            send("takes it silently", is_recorded=False),
            ("answer", {"number": 0}),
            ("record", {"which": 0, "commit": "heard", "is_again": False}),
        ),
    ),
    (
        forget_early_answers,
        (
            send("takes it silently", is_recorded=False),
            ("answer", {"number": 0}),
            ("trouble", {"which": 0, "what": "freezes"}),
            ("reconcile", {"times": 1}),
        ),
    ),
    (answers_prove_nothing, (send("takes it silently"), ("answer", {"number": 0}))),
    (silence_is_a_failure, (send("takes it silently"),)),
    (
        pause_is_not_asked,
        (("steer", {"what": "pause"}), ("mark", {**READ, "which": 0})),
    ),
)


@pytest.mark.parametrize(("broken", "script"), SCRIPTS)
def test_a_broken_protocol_is_found_out(
    desk: Desk,
    pool: RenderPool,
    monkeypatch: pytest.MonkeyPatch,
    broken: Patch,
    script: Steps,
) -> None:
    """The same events are harmless as it is, and break the promise as it is not."""
    whole = World(desk, pool)
    whole.read_alike()
    play(whole, *script)
    broken(monkeypatch)
    world = World(desk, pool)
    world.read_alike()
    with pytest.raises(AssertionError):
        play(world, *script)


def test_the_machine_itself_finds_a_mark_that_is_not_committed(
    desk: Desk, pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_without_commit(monkeypatch)
    with pytest.raises(AssertionError):
        run(desk, pool, 40)


def test_every_status_and_state_has_moves() -> None:
    assert set(MOVES) == set(Status)
    assert set(CAMPAIGN_MOVES) == set(State)


def test_nothing_leaves_sent_skipped_or_cancelled() -> None:
    closed = {status for status in Status if not MOVES[status]}
    assert closed == {Status.SENT, Status.SKIPPED, Status.CANCELLED}
    assert closed < FINAL


def test_unknown_comes_from_sending_alone() -> None:
    assert {old for old in Status if Status.UNKNOWN in MOVES[old]} == {Status.SENDING}
