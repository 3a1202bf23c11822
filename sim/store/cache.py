"""Converted sales in the user's cache folder, so that a second run starts at once and without pyarrow."""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from sim.store.baskets import Basket, Line, Product

__all__ = ["SalesCache"]

FORMAT: Final = 1
FILES_MAX: Final = 16  # about 3 MB each


class SalesCache:
    """One converted choice of sales. A cache that cannot be read or written is as good as an empty one."""

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        name = blake2b(f"{FORMAT}/{fingerprint}".encode(), digest_size=12).hexdigest()
        self._file = folder / f"sales-{name}.json" if folder is not None else None

    def read(self) -> tuple[list[Basket], list[Product]] | None:
        """What `write` was given, or None when there is nothing whole to read."""
        if self._file is None:
            return None
        try:
            checksum, _, body = self._file.read_bytes().partition(b"\n")
            return _decode(json.loads(body)) if int(checksum) == crc32(body) else None
        except (OSError, ValueError, TypeError, IndexError):
            return None

    def write(self, baskets: Iterable[Basket], products: Sequence[Product]) -> None:
        """Keeps them, and drops the oldest files beyond the limit."""
        if self._file is None:
            return
        body = json.dumps(_encode(baskets, products), separators=(",", ":")).encode()
        part = self._file.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):  # the next run converts again: slower, nothing else
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(b"%d\n%b" % (crc32(body), body))
            part.replace(self._file)
            files = sorted(self._file.parent.glob("sales-*.json"), key=lambda file: file.stat().st_mtime_ns)
            for file in files[:-FILES_MAX]:
                file.unlink()


def _encode(baskets: Iterable[Basket], products: Sequence[Product]) -> dict[str, Any]:  # Any: JSON
    places = {product.sku: place for place, product in enumerate(products)}
    return {
        "products": [
            [
                product.sku,
                product.gtin,
                product.name,
                product.price,
                product.department,
                product.category,
                product.brand,
            ]
            for product in products
        ],
        "baskets": [
            [
                basket.id,
                basket.starts_at.isoformat(),
                basket.customer,
                [[places[line.sku], line.quantity, line.unit_price, line.extended_amount] for line in basket.lines],
            ]
            for basket in baskets
        ],
    }


def _decode(known: dict[str, Any]) -> tuple[list[Basket], list[Product]]:
    products = [Product(*row) for row in known["products"]]
    baskets = []
    for basket_id, starts_at, customer, rows in known["baskets"]:
        lines = []
        for place, quantity, unit_price, extended_amount in rows:
            product = products[place]
            lines.append(Line(product.sku, product.gtin, product.name, quantity, unit_price, extended_amount))
        baskets.append(Basket(basket_id, datetime.fromisoformat(starts_at), customer, tuple(lines)))
    return baskets, products
