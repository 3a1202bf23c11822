"""Fixed moments for tests."""

from datetime import UTC, datetime
from typing import Final

NOON: Final = datetime(2026, 4, 15, 12, 0, 3, 129_999, tzinfo=UTC)
