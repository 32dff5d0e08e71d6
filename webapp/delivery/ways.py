"""The way to one sender: its connections, what is not recorded yet, its breakers."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from webapp.campaigns.states import Status
from webapp.delivery import breaker
from webapp.delivery.connections import Connections, Done
from webapp.delivery.outcomes import not_tried, verdict
from webapp.delivery.recording import Settled
from webapp.senders.models import Sender
from webapp.senders.outcome import Kind, Trouble

OK_SECONDS = 10.0
WORDS_HANGS_UP = "The server keeps closing the connection."


@dataclass
class Way:
    """The connections to one sender, and what waits to be recorded for it."""

    connections: Connections
    unsaved: list[Settled] = field(default_factory=list)
    so_far: breaker.SoFar = field(default_factory=breaker.SoFar)
    noted_at: float = 0.0
    leased_at: float = 0.0
    leased_under: int = -1
    others_lack: bool = False

    def note_success(self) -> None:
        """Say that the sender works: at once after trouble, else now and then."""
        was_unwell = self.connections.sender.breaker_failures > 0
        if was_unwell or time.monotonic() - self.noted_at > OK_SECONDS:
            breaker.reset(self.connections.sender.id)
            self.connections.sender.breaker_failures = 0
            self.noted_at = time.monotonic()

    def note_size(self) -> None:
        """Keep the largest message that the server takes, where it says another one."""
        sender, size = self.connections.sender, self.connections.size_limit
        if sender.server_size != size:
            breaker.note_size(sender.id, size)
            sender.server_size = size

    @property
    def is_busy(self) -> bool:
        """Whether something is marked or not recorded yet."""
        return self.connections.marked > 0


def settled_of(done: Done) -> Settled:
    """Return what is to be written about a message that came back."""
    standing = done.handed.prepared.standing
    if done.outcome is None:
        return Settled(done.handed, not_tried(standing))
    chance = random.random()  # noqa: S311 - jitter, no secret
    return Settled(done.handed, verdict(done.outcome, standing, chance))


def tell_breakers(way: Way, done: Sequence[Done], fresh: Sequence[Settled]) -> None:
    """Let the breakers see what came back."""
    sender = way.connections.sender
    unwell = [
        (one.handed.prepared.campaign_id, one.outcome)
        for one in done
        if one.outcome is not None and one.outcome.kind is Kind.UNWELL
    ]
    for campaign_id, outcome in unwell:
        if outcome.trouble in {Trouble.AUTH, Trouble.TLS}:
            breaker.refused(sender.id, campaign_id, outcome.reply)
        else:
            breaker.trip(sender.id, outcome.reply)
    if not unwell and way.connections.unwell.is_set():
        breaker.trip(sender.id, WORDS_HANGS_UP)
    if any(one.verdict.status is Status.SENT for one in fresh):
        way.note_success()
    way.note_size()
    for campaign_id in {one.handed.prepared.campaign_id for one in fresh} - {None}:
        assert campaign_id is not None
        of_it = [
            one.verdict
            for one in fresh
            if one.handed.prepared.campaign_id == campaign_id
        ]
        breaker.judge(campaign_id, of_it, way.so_far)


def address_of(sender: Sender) -> tuple[object, ...]:
    """Return what a connection depends on."""
    return (
        sender.id,
        sender.kind,
        sender.host,
        sender.port,
        sender.security,
        sender.login,
        sender.password_sealed,
        sender.ca_pem,
        sender.max_connections,
    )
