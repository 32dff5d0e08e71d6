"""Colours as style sheets write them, and how well one is read on another."""

import re

#: Those that people write; whoever wants another shade writes its number.
_NAMED = {
    "black": "#000000",
    "blue": "#0000ff",
    "darkgray": "#a9a9a9",
    "darkgrey": "#a9a9a9",
    "gold": "#ffd700",
    "gray": "#808080",
    "green": "#008000",
    "grey": "#808080",
    "lightgray": "#d3d3d3",
    "lightgrey": "#d3d3d3",
    "navy": "#000080",
    "orange": "#ffa500",
    "purple": "#800080",
    "red": "#ff0000",
    "silver": "#c0c0c0",
    "teal": "#008080",
    "white": "#ffffff",
    "yellow": "#ffff00",
}
_HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})(?![0-9a-f])")
_RGB = re.compile(r"rgb\(\s*([0-9]{1,3})[\s,]+([0-9]{1,3})[\s,]+([0-9]{1,3})\s*\)")
_WORD = re.compile(r"(?<![\w-])[a-z]+(?![\w(-])")
_SHORT = 3
_KNEE = 0.04045
_MOST = 255


def parse_colour(text: str) -> str | None:
    """Return the first opaque colour in a value as ``#rrggbb``, if it is known.

    Examples
    --------
    >>> parse_colour("#FFF url(x) no-repeat"), parse_colour("rgb(11, 92, 99)")
    ('#ffffff', '#0b5c63')
    >>> parse_colour("navy"), parse_colour("var(--x)"), parse_colour("rgba(0,0,0,.5)")
    ('#000080', None, None)
    """
    text = text.lower()
    if found := _HEX.search(text):
        digits = found[1]
        if len(digits) == _SHORT:
            digits = "".join(digit * 2 for digit in digits)
        return f"#{digits}"
    if found := _RGB.search(text):
        return "#" + "".join(f"{min(int(part), _MOST):02x}" for part in found.groups())
    words = (_NAMED.get(word) for word in _WORD.findall(text))
    return next((colour for colour in words if colour), None)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two ``#rrggbb`` colours (WCAG 2.2, "contrast ratio").

    Examples
    --------
    >>> contrast("#000000", "#ffffff"), round(contrast("#777777", "#ffffff"), 2)
    (21.0, 4.48)
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / _MOST for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= _KNEE else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
