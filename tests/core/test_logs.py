"""The log's format is a setting, in every process that writes one."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.desk import ROOT

LINES = """
import logging, webapp
webapp.create_app()
logging.getLogger("sending").warning("%s went", 3)
"""


def complaints(data_dir: Path, log_format: str) -> str:
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", LINES],
        cwd=ROOT,
        env={"DATA_DIR": str(data_dir), "LOG_FORMAT": log_format},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stderr.splitlines()[-1]


def test_a_line_of_json(tmp_path: Path) -> None:
    line = json.loads(complaints(tmp_path, "json"))
    assert line["logger"] == "sending"
    assert line["level"] == "WARNING"
    assert line["message"] == "3 went"


def test_a_line_of_text(tmp_path: Path) -> None:
    assert complaints(tmp_path, "text") == "sending: 3 went"
