"""PostgreSQL loses the answers to COMMIT, all connections, or a frozen worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.chaos.house import House, new_house
from tests.chaos.moody import MoodyServer
from tests.chaos.proxy import Proxy
from tests.support.postgres import Cluster
from tests.support.smtp_servers import PATIENCE
from webapp.campaigns import steering
from webapp.core.db import db


@pytest.fixture
def proxy(postgres_cluster: Cluster) -> Iterator[Proxy]:
    with Proxy(postgres_cluster.port) as proxy:
        yield proxy


@pytest.fixture
def house(tmp_path: Path, postgres_cluster: Cluster, proxy: Proxy) -> Iterator[House]:
    """A house whose workers reach PostgreSQL through the proxy."""
    url = postgres_cluster.new_desk()
    through = url.replace(f":{postgres_cluster.port}/", f":{proxy.port}/")
    with (
        MoodyServer(pause=0.03) as server,
        new_house(tmp_path, server, url, through=through) as house,
        house.app.app_context(),
    ):
        yield house
        db.session.remove()
        db.engine.dispose()


def test_lost_answers_and_cut_connections_change_nothing(
    house: House, proxy: Proxy
) -> None:
    house.campaign(400)
    house.worker(1)
    house.worker(2)
    house.server.wait_for(40)
    proxy.lose_commits(*[True, False, None, None] * 8)
    house.server.wait_for(250)
    proxy.cut()
    house.wait_quiet(expected={"sent": 400})
    assert proxy.lost >= 8
    assert "the answer to a commit was lost" in house.log()
    assert "\n".join(house.violations()) == ""


def test_a_worker_frozen_inside_a_transaction_holds_up_nobody(house: House) -> None:
    """PostgreSQL takes the transaction back: others send, pausing is answered."""
    campaign_id = house.campaign(200)
    frozen = house.worker(1, "in the mark", fate="freeze", nth=3)
    house.wait_for_note(frozen)
    # Whoever waited for the frozen one would wait until then.
    db.session.execute(sa.text(f"SET lock_timeout = '{PATIENCE:.0f}s'"))
    steering.pause(campaign_id)
    steering.resume(campaign_id)
    house.worker(2)
    house.wait_quiet()
    frozen.thaw()
    house.wait_quiet(expected={"sent": 200})
    assert "\n".join(house.violations()) == ""
