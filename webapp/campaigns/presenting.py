"""Campaigns and messages as the API shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from webapp.campaigns import coming_back, messages, schedules
from webapp.campaigns.checking import changed_since
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.progress import iso
from webapp.campaigns.timing import moment_of
from webapp.core.clock import now
from webapp.core.openapi import schema_list, schema_object

CAMPAIGN = schema_object(
    id="integer",
    name="string",
    state="string",
    recipient_table_id="integer?",
    message_template_id="integer?",
    sender_id="integer?",
    filter="string",
    cc={"type": "array", "items": {"type": "string"}},
    bcc={"type": "array", "items": {"type": "string"}},
    reply_to="string",
    headers="object",
    attachments={"type": "array", "items": {"type": "object"}},
    attachment_column="string",
    base_url="string",
    throttle="integer",
    windows={"type": "array", "items": {"type": "object"}},
    scheduled_at="string",
    time_zone="string",
    late_minutes="integer",
    starts_at="string?",
    asks="string",
    left_out={"type": "array", "items": {"type": "integer"}},
    version="integer",
    check="object",
    hold_until="string?",
    pause_reason="string",
    created_at="string",
    launched_at="string?",
    finished_at="string?",
)
CAMPAIGNS = schema_list(CAMPAIGN)
MESSAGE = schema_object(
    id="integer",
    public_id="string",
    campaign_id="integer?",
    recipient_id="integer?",
    row="integer",
    name="string",
    address="string",
    status="string",
    dry_run="boolean",
    reason_class="string",
    reason="string",
    reply_code="integer?",
    reply="string",
    tries="integer",
    message_id_header="string",
    created_at="string",
    due_at="string",
    sent_at="string?",
    came_back={"type": "array", "items": {"type": "string"}},
)
MESSAGES = schema_list(MESSAGE)
STATUS = schema_object(
    campaign="integer",
    state="string",
    total="integer",
    counts={"type": "object", "additionalProperties": {"type": "integer"}},
    percent="number",
    rate_per_minute="number",
    eta_seconds="integer?",
    starts_at="string?",
    starts_in="string",
    started_at="string?",
    updated_at="string",
    failures={"type": "array", "items": {"type": "object"}},
    answers={"type": "object", "additionalProperties": {"type": "integer"}},
    needs_decision="integer",
    dry_run="boolean",
    limited_by="string?",
    stop="boolean",
)
CHOSEN = (
    "name",
    "recipient_table_id",
    "message_template_id",
    "sender_id",
    "filter",
    "cc",
    "bcc",
    "reply_to",
    "headers",
    "attachment_column",
    "base_url",
    "throttle",
    "windows",
    "scheduled_at",
    "time_zone",
    "late_minutes",
)


def chosen(campaign: Campaign) -> dict[str, Any]:
    """Return what an operator chose, as the form has it."""
    return {name: getattr(campaign, name) for name in CHOSEN}


def campaign_json(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign."""
    moment = moment_of(campaign)
    asks = schedules.asks(campaign, now())
    return {
        "id": campaign.id,
        **chosen(campaign),
        "attachments": campaign.attachments,
        "state": campaign.state.value,
        "starts_at": iso(moment.instant) if moment else None,
        "asks": schedules.words_of(campaign) if asks else "",
        "left_out": campaign.left_out,
        "version": campaign.version,
        "check": check_json(campaign),
        "hold_until": iso(campaign.hold_until),
        "pause_reason": campaign.pause_reason,
        "created_at": iso(campaign.created_at),
        "launched_at": iso(campaign.launched_at),
        "finished_at": iso(campaign.finished_at),
    }


def check_json(campaign: Campaign) -> dict[str, Any]:
    """Return what the check found; how far it is while it runs."""
    result: Mapping[str, Any] = campaign.check_result
    if not result:
        return {"state": campaign.state.value, "done": campaign.check_done}
    kept = {name: value for name, value in result.items() if name != "fingerprint"}
    changed = changed_since(campaign)
    return {"state": campaign.state.value, **kept, "changed_since": changed}


def messages_json(found: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages of a list, with what came back of them."""
    came_back = coming_back.kinds_of([message.id for message in found])
    return [message_json(one, came_back.get(one.id, ())) for one in found]


def message_json(message: Message, came_back: Sequence[str] = ()) -> dict[str, Any]:
    """Return a message, without its bodies."""
    return {
        "id": message.id,
        "public_id": str(message.public_id),
        "campaign_id": message.campaign_id,
        "recipient_id": message.recipient_id,
        "row": message.row_number,
        "name": message.name,
        "address": message.address,
        "status": message.status.value,
        "dry_run": message.is_dry_run,
        "reason_class": message.reason_class,
        "reason": message.reason,
        "reply_code": message.reply_code,
        "reply": message.reply,
        "tries": message.tries,
        "message_id_header": message.message_id_header,
        "created_at": iso(message.created_at),
        "due_at": iso(message.due_at),
        "sent_at": iso(message.sent_at),
        "came_back": list(came_back),
    }


def whole_message_json(message: Message) -> dict[str, Any]:
    """Return a message with its addresses, attempts and events."""
    came_back = coming_back.kinds_of([message.id]).get(message.id, [])
    attempts = messages.attempts_of(message)
    names = messages.sender_names(attempts)
    return {
        **message_json(message, came_back),
        "notes": (message.bodies or {}).get("notes", []),
        "addresses": [
            {
                "kind": one.kind,
                "address": one.address,
                "status": one.status.value,
                "reply_code": one.reply_code,
                "reply": one.reply,
            }
            for one in messages.addresses_of(message)
        ],
        "attempts": [
            {
                "number": one.number,
                "sender_id": one.sender_id,
                "sender": names.get(one.sender_id, ""),
                "started_at": iso(one.started_at),
                "ended_at": iso(one.ended_at),
                "outcome": one.outcome,
                "reply_code": one.reply_code,
                "reply": one.reply,
            }
            for one in attempts
        ],
        "events": [
            {"kind": one.kind, "at": iso(one.at), "detail": one.detail}
            for one in messages.events_of(message)
        ],
    }
