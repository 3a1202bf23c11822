"""A small shop's day as a CSV file, with invented sales."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["write_small_day"]


def write_small_day(file: Path, *, baskets: int = 30, lines: int = 4) -> Path:
    """Write it, and return the file."""
    opens = datetime(2026, 3, 6, 7, tzinfo=UTC)
    rows = ["ts,basket,customer,sku,qty,price"]
    for basket in range(baskets):
        at = opens + timedelta(minutes=25 * basket)
        customer = f"c{basket % 7}" if basket % 3 else ""
        rows += [
            f"{at.isoformat()},b{basket},{customer},{100 + (basket * 7 + line) % 23},{1 + line % 2},{line + 1}.49"
            for line in range(lines)
        ]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file
