"""What the processes write to standard error: a line of text, or a line of JSON."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a line, for a machine that collects them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record.

        Examples
        --------
        >>> what = {"msg": "%s left", "args": (3,), "levelname": "INFO", "created": 0}
        >>> line = json.loads(JsonLines().format(logging.makeLogRecord(what)))
        >>> line["at"], line["logger"], line["message"]
        ('1970-01-01T00:00:00+00:00', 'root', '3 left')
        """
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name or "root",
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(log_format: str) -> None:
    """Write the log in this format, unless the process has a log of its own already.

    Parameters
    ----------
    log_format
        ``text`` or ``json``.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    is_json = log_format == "json"
    handler.setFormatter(
        JsonLines() if is_json else logging.Formatter("%(name)s: %(message)s")
    )
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for chatty in ("rq", "alembic", "werkzeug"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It tells what it tries, and of each stranger's mail that it breaks on, at length.
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)
