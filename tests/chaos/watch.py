"""Somebody who looks at the status all the time, through the web server."""

import json
import threading
import urllib.error
import urllib.request
from types import TracebackType
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa

from webapp.campaigns.models import Campaign
from webapp.core.db import db, reading
from webapp.operators import tokens
from webapp.operators.models import Operator

if TYPE_CHECKING:
    from tests.chaos.house import House

SECONDS = 10.0


class Watch:
    """Asks for the status of all campaigns; counts must sum to the total, always.

    Attributes
    ----------
    answers
        How many came.
    wrong
        What was wrong in them.
    """

    def __init__(self, house: "House") -> None:
        self.answers = 0
        self.wrong: list[str] = []
        self._house = house
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._token = _token()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(60)

    def _look(self) -> None:
        with self._house.app.app_context():
            while not self._ended.wait(0.3):
                try:
                    self._ask_all()
                except (OSError, sa.exc.SQLAlchemyError):
                    db.session.remove()

    def _ask_all(self) -> None:
        with reading():
            ids = db.session.scalars(sa.select(Campaign.id)).all()
            db.session.rollback()
        for campaign_id in ids[-3:]:
            self._ask(campaign_id)

    def _ask(self, campaign_id: int) -> None:
        origin = f"http://127.0.0.1:{self._house.web_port}"
        request = urllib.request.Request(  # noqa: S310 - a server of this test
            f"{origin}/api/v1/campaigns/{campaign_id}/status",
            headers={
                "Authorization": f"Bearer {self._token}",
                "Host": "post.example.org",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
                status = json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            return
        self.answers += 1
        if sum(status["counts"].values()) != status["total"]:
            self.wrong.append(f"counts do not sum to the total: {status}")


def _token() -> str:
    operator = Operator(
        name="Ines Carvalho",
        email="ines@example.org",
        email_key="ines@example.org",
        password_hash="x",
    )
    db.session.add(operator)
    db.session.commit()
    _row, text = tokens.create(operator, "watch", tokens.SCOPES)
    db.session.rollback()
    return text
