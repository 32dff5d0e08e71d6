"""The first words of an HTML text, for sorting; what is shown is made elsewhere."""

import html
import re

_UNSEEN = re.compile(
    r"<(head|style|script|title)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_LINE_ENDS = re.compile(
    r"<(?:br|/p|/div|/h[1-6]|/li|/tr|blockquote)\b[^<>]*>", re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]*>?")
CAP = 16 * 1024


def bare(text: str) -> str:
    r"""Return the beginning of an HTML text without its tags.

    Examples
    --------
    >>> bare("<style>p { top: 0 }</style><p>Please&nbsp;stop</p><div>Ada</div>")
    ' Please\xa0stop\nAda\n'
    """
    text = _UNSEEN.sub(" ", text[:CAP])
    return html.unescape(_TAG.sub("", _LINE_ENDS.sub("\n", text)))
