"""The ledger that most tests of the cloud side use."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sim.cloud.ledger import Ledger
from tests.sim.cloud.publishes import FixedClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(file, FixedClock())) as opened:
        yield opened
