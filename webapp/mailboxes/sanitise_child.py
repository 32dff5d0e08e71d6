"""The program that cleans large HTML under limits of its own; see `sanitise_limited`.

Reads one pickle-free request (JSON) on standard input and writes the answer on standard
output. It runs alone: the package's own start (the whole application) is not imported.
"""

import base64
import json
import resource
import sys
import types
from pathlib import Path

CPU_SECONDS = 3
MEMORY_OCTETS = 768 * 1024 * 1024


def main() -> None:
    """Answer one request and end."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
    root = Path(__file__).resolve().parents[2]
    package = types.ModuleType("webapp")
    package.__path__ = [str(root / "webapp")]
    sys.modules["webapp"] = package
    from webapp.mailboxes.sanitise import clean_html  # noqa: PLC0415 - only under the limits, and without the application

    request = json.load(sys.stdin)
    images = {
        name: base64.b64decode(octets) for name, octets in request["images"].items()
    }
    clean = clean_html(
        request["html"], images, remote_images=bool(request["remote_images"])
    )
    json.dump({"html": clean.html, "remote_images": clean.remote_images}, sys.stdout)


if __name__ == "__main__":
    main()
