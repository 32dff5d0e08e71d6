"""How figures, times and addresses are shown, everywhere the same.

The filters of the page templates live here, and the one place that may hand out markup.
"""

import datetime
import re
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, Response, current_app, flash, g, request, url_for
from markupsafe import Markup, escape

from webapp.core.clock import now
from webapp.core.words import _

NARROW = "\u202f"
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
KILO = 1024
INITIALS = re.compile(r"\b(api|dkim|dns)\b", re.IGNORECASE)
A_CODE = re.compile("[a-z]+(_[a-z]+)+")
THEMES = ("light", "dark")
THEME_COOKIE = "theme"


def figure(number: float) -> str:
    """Return a figure with thousands parted by a narrow no-break space.

    Examples
    --------
    >>> figure(1234567).split(NARROW)
    ['1', '234', '567']
    """
    text = f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"
    return text.replace(",", NARROW)


def octets(size: int | None) -> str:
    """Return a size in words.

    Examples
    --------
    >>> octets(900), octets(84 * 1024), octets(3 * 1024 * 1024)
    ('900 B', '84 KB', '3.0 MB')
    """
    if size is None:
        return ""
    if size < KILO:
        return f"{size} B"
    if size < KILO * KILO:
        return f"{round(size / KILO)} KB"
    return f"{size / KILO / KILO:.1f} MB"


def duration(seconds: float) -> str:
    """Return a span of time in words.

    Examples
    --------
    >>> duration(45), duration(126), duration(7300)
    ('45 s', '2 min 6 s', '2 h 1 min')
    """
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def zone() -> ZoneInfo:
    """Return the time zone of the operator of this request, or UTC."""
    who = g.get("actor")
    try:
        return ZoneInfo(who.operator.time_zone if who else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def absolute(instant: datetime.datetime) -> str:
    """Return an instant in the operator's zone with its offset."""
    local = instant.astimezone(zone())
    offset = local.strftime("%z")
    return f"{local:%d %B %Y, %H:%M:%S} UTC{offset[:3]}:{offset[3:]}".lstrip("0")


def relative(instant: datetime.datetime) -> str:
    """Return an instant as a person would say it today."""
    ago = now() - instant
    if timedelta(0) <= ago < timedelta(minutes=1):
        return _("%(n)s s ago", n=int(ago.total_seconds()))
    if timedelta(0) <= ago < timedelta(hours=1):
        return _("%(n)s min ago", n=int(ago.total_seconds() // 60))
    local, today = instant.astimezone(zone()), now().astimezone(zone())
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.date() == today.date() - timedelta(days=1):
        return _("Yesterday")
    return day(local.date(), today.year)


def day(date: datetime.date, this_year: int | None = None) -> str:
    """Return a date, without the year where it is this one.

    Examples
    --------
    >>> day(datetime.date(2026, 11, 5), 2026), day(datetime.date(2025, 11, 5), 2026)
    ('5 Nov', '5 Nov 2025')
    """
    return f"{date.day} {date:%b}" + ("" if date.year == this_year else f" {date.year}")


def time_tag(instant: datetime.datetime | None, shown: str = "relative") -> Markup:
    """Return a ``<time>`` element: relative, clock, date, time, minute or full."""
    if instant is None:
        return Markup("")
    local = instant.astimezone(zone())
    words = {
        "relative": relative(instant),
        "clock": f"{local:%H:%M:%S}",
        "date": f"{local.day} {local:%b %Y}",
        "minute": f"{local.day} {local:%b %Y, %H:%M}",
        "time": f"{local:%H:%M}",
        "full": f"{local.day} {local:%b %Y, %H:%M:%S}",
    }[shown]
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        instant.isoformat(timespec="seconds"), absolute(instant), words
    )


def address_tag(address: str) -> Markup:
    """Return an address that may break before its @."""
    local, at, domain = address.rpartition("@")
    if not at:
        return Markup("<bdi>{}</bdi>").format(visible(address))
    return Markup("<bdi>{}<wbr>@{}</bdi>").format(visible(local), visible(domain))


def visible(text: str) -> str:
    """Return a text in which bidi controls can be seen instead of obeyed.

    Examples
    --------
    >>> visible("invoice\u202efdp.exe")
    'invoice[U+202E]fdp.exe'
    """
    return BIDI.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def action_words(action: str) -> str:
    """Return an action of the audit log as a person would say it.

    Examples
    --------
    >>> action_words("api_token.revoked"), action_words("hard_bounce")
    ('API token revoked', 'Hard bounce')
    """
    words = re.sub(r"[._]", " ", action)
    words = words[:1].upper() + words[1:]
    return INITIALS.sub(lambda found: found[0].upper(), words)


def change_words(value: object) -> str:
    """Return a detail of the audit log; a pair is what it was and what it is now.

    Examples
    --------
    >>> change_words(["Ada", "Ada L."]), change_words(["a", "b", "c"]), change_words(7)
    ('Ada → Ada L.', 'a, b, c', '7')
    >>> change_words(True), change_words("hard_bounce")
    ('yes', 'hard bounce')
    """
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str) and A_CODE.fullmatch(value):
        return value.replace("_", " ")
    if not isinstance(value, list):
        return str(value)
    pair = len(value) == 2  # noqa: PLR2004 - before and after
    return (" → " if pair else ", ").join(str(one) for one in value)


def icon(name: str, size: str = "") -> Markup:
    """Return an icon of the sprite; `size` may be ``sm``."""
    extra = " icon-sm" if size == "sm" else ""
    return Markup(
        '<svg class="icon{}" aria-hidden="true"><use href="{}#i-{}"/></svg>'
    ).format(extra, url_for("static", filename="img/icons.svg"), escape(name))


def toast(words: str, undo: str = "", **fields: object) -> None:
    """Show a sentence on the next page.

    Parameters
    ----------
    undo
        Address that takes it back, by POST; then the toast has an Undo button.
    **fields
        What that POST carries.
    """
    flash({"words": words, "undo": undo, "fields": fields} if undo else words)  # type: ignore[arg-type]  # Flask keeps any JSON


def init_app(app: Flask) -> None:
    """Give the page templates these filters and functions."""
    filters = (
        *(figure, octets, duration, day),
        *(time_tag, address_tag, visible, absolute),
        *(action_words, change_words),
    )
    for function in filters:
        app.add_template_filter(function)
    app.add_template_global(icon)
    app.add_template_global(now, "now")
    app.context_processor(_shared)


def _shared() -> dict[str, object]:
    who = g.get("actor")
    return {
        "practice_mode": current_app.config["POSTROOM"].practice,
        "theme": who.operator.theme if who else _remembered_theme(),
    }


def remember_theme(answer: Response, theme: str) -> None:
    """Keep the chosen theme in a cookie, for the pages that know no operator yet."""
    if theme not in THEMES:
        answer.delete_cookie(THEME_COOKIE)
        return
    secure = current_app.config["POSTROOM"].base_url.startswith("https://")
    answer.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=timedelta(days=365),
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def _remembered_theme() -> str:
    theme = request.cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""
