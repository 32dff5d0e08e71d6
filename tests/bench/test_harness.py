"""The harness takes figures in turn, and says whether a promise is kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import campaign, delayed, plain_loop, table
from bench.desk import desk
from bench.harness import Bench, Line, Size, interleaved
from tests.support.slow_wire import slow_wire
from tests.support.smtp_servers import smtp_sink

TINY = Size(messages=30, runs=1)


def test_ours_and_the_yardstick_take_turns() -> None:
    order: list[str] = []

    def work(name: str) -> float:
        order.append(name)
        return float(len(order))

    ours, theirs = interleaved(2, lambda: work("ours"), lambda: work("theirs"))
    assert order == ["ours", "theirs", "ours", "theirs"]
    assert (ours, theirs) == ((1.0, 3.0), (2.0, 4.0))


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (Line(what="", unit="", ours=[5], yardstick=[10], at_least=0.4), True),
        (Line(what="", unit="", ours=[5], yardstick=[10], at_least=0.6), False),
        (Line(what="", unit="s", ours=[5, 70, 5], at_most=60), True),
        (Line(what="", unit="s", ours=[70], at_most=60), False),
        (Line(what="", unit="", ours=[5], yardstick=[10]), None),
    ],
)
def test_a_promise_is_kept_or_missed(line: Line, is_kept: bool | None) -> None:
    assert line.is_kept is is_kept
    assert ("missed" in table.table([line])) is (is_kept is False)


def test_the_command_prints_one_table_and_keeps_json(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def run(size: Size) -> Iterator[Line]:
        yield Line(what="one", unit="1/s", ours=[size.runs], yardstick=[2], at_least=1)

    monkeypatch.setattr(program, "BENCHES", (Bench("one", run), Bench("two", run)))
    target = tmp_path / "results.json"
    status = program.main(["one", "--runs", "1", "--results", str(target)])
    assert status == 1
    assert capsys.readouterr().out.count("| one |") == 1
    kept = json.loads(target.read_text())
    assert [line["ratio"] for line in kept["lines"]] == [0.5]
    assert kept["machine"]["processors"]


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["nonsense"])
    assert "there is no benchmark nonsense" in capsys.readouterr().err


def test_a_campaign_by_a_real_worker_is_measured() -> None:
    (line,) = campaign.one_worker(TINY)
    assert line.ours[0] > 0
    assert line.yardstick[0] > 0


def test_a_campaign_is_sent_through_a_slow_wire() -> None:
    with smtp_sink() as far, slow_wire(far, 0.02) as port, desk(20, 0) as at_work:
        at_work.start_workers(1)
        assert at_work.send(port, 4) > 0
        assert delayed.by_smtplib(port, 32) < 32 / 0.08  # four round trips at least


def test_the_plain_loop_sends() -> None:
    with smtp_sink() as port:
        assert plain_loop.send(port, 5) > 0
