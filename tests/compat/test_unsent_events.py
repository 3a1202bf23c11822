"""Events that an earlier version left unsent reach the cloud under this one, as they would have."""

import json
import shutil
from pathlib import Path

import pytest

from sim.broker import running_broker
from sim.cloud.schema import open_ledger_reader
from tests.link.device import device
from tests.log.world import raw
from tests.sim.cloud.test_twin import running_twin
from tests.waiting import until

HERE = Path(__file__).parent
_ARRIVED = """
    SELECT s.stream, s.epoch, v.sequence, v.id FROM events AS v JOIN streams AS s ON s.number = v.stream
    WHERE s.stream <> 'audit'
"""
_STORED = """
    SELECT v.stream, e.id, v.sequence, v.id FROM event AS v JOIN epoch AS e ON e.number = v.epoch
"""


@pytest.mark.case("U3")
async def test_unsent_events_of_format_1_arrive_once_with_their_ids_epochs_and_sequences(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    shutil.copy(HERE / "log-format-1.sqlite", tmp_path / "log" / "events.sqlite")
    stored_before = all_of_the_file(tmp_path / "log" / "events.sqlite")
    expected = {tuple(one) for one in json.loads((HERE / "log-format-1.json").read_text())["unsent"]}
    ledger = tmp_path / "ledger.sqlite"

    async def all_there() -> bool:
        with open_ledger_reader(ledger) as connection:
            return len(connection.execute(_ARRIVED).fetchall()) >= len(expected)

    async with (
        running_broker("iotcore", tmp_path / "broker") as broker,
        running_twin(broker, ledger),
        device(tmp_path, broker.port) as one,
    ):
        await one.delivered()
        await until(all_there)
    with open_ledger_reader(ledger) as connection:
        arrived = connection.execute(_ARRIVED).fetchall()
        redelivered, conflicts = connection.execute("SELECT sum(redelivered), sum(conflicts) FROM streams").fetchone()
    assert len(arrived) == len(set(arrived))
    assert expected <= set(arrived)
    assert set(arrived) <= stored_before  # this ledger is new: it also asks for what another one acknowledged
    assert (redelivered, conflicts) == (0, 0)


def all_of_the_file(copy: Path) -> set[tuple[str, str, int, str]]:
    with raw(copy) as connection:
        return set(connection.execute(_STORED))
