"""Clean HTML that could take minutes in a child that may be killed.

nh3 is quadratic in nesting depth and in attributes of a tag: 200 000 nested ``div`` in
1 MB took 92 seconds. Small HTML cannot be bad enough and is cleaned here; the rest goes
to a process with limits on its time and memory.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from webapp.mailboxes.sanitise import HTML_CAP, Clean, clean_html

SMALL = 64 * 1024
FEW_TAGS = 3000
WALL_SECONDS = 6.0
CHILD = Path(__file__).with_name("sanitise_child.py")


class TooHard(Exception):
    """The HTML did not become clean within the limits; show the text or the source."""


def clean_limited(
    html: str, images: Mapping[str, bytes] | None = None, *, remote_images: bool = False
) -> Clean:
    """Clean HTML in bounded time.

    Raises
    ------
    TooHard
        If the child ran into its limits.

    Examples
    --------
    >>> clean_limited("<p>Hello</p>").html
    '<p>Hello</p>'
    """
    html = html[:HTML_CAP]
    if len(html) <= SMALL and html.count("<") <= FEW_TAGS:
        return clean_html(html, images, remote_images=remote_images)
    request = {
        "html": html,
        "images": {
            name: base64.b64encode(octets).decode()
            for name, octets in (images or {}).items()
        },
        "remote_images": remote_images,
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own program, the mail only on its input
            [sys.executable, "-I", str(CHILD)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=WALL_SECONDS,
            check=True,
        )
        answer = json.loads(done.stdout)
        return Clean(str(answer["html"]), int(answer["remote_images"]))
    except (subprocess.SubprocessError, ValueError, KeyError, OSError) as error:
        raise TooHard("This HTML is too complicated to be shown.") from error
