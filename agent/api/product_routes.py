"""The catalogue: search while typing, look-ups by code, and the import of a whole product file."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent.api.bodies import body_chunks, check_media_type
from agent.api.caller import Caller
from agent.api.refusal import Refusal
from agent.api.route import JSON, KEY_PATTERN, Access, Body, Parameter, Route, json_answer
from agent.api.shelf_news import ShelfNews
from agent.api.shelf_product import Shelf, ShelfProduct
from agent.catalogue import Catalogue, ImportCounts, Product
from agent.errors import Problem, StorageFailed

__all__ = ["CSV", "ProductRoutes"]

CSV: Final = "text/csv"
IMPORT_BYTES_MAX: Final = 268_435_456  # a million products of 256 bytes; they go to the disk first, not to memory
RESULTS_MAX: Final = 100
RESULTS_DEFAULT: Final = 20
FILE_NAME_CHARS_MAX: Final = 200

_QUERY: Final = Parameter("q", "query", "What was typed: words, a SKU or a GTIN", {"type": "string"})
_GTIN: Final = Parameter("gtin", "query", "A scanned GTIN", {"type": "string", "pattern": "^[0-9]{8,14}$"})
_LIMIT: Final = Parameter(
    "limit",
    "query",
    "How many at most",
    {"type": "integer", "minimum": 1, "maximum": RESULTS_MAX, "default": RESULTS_DEFAULT},
)
_NAME: Final = Parameter("name", "query", "What problems call the file", {"type": "string"})
_SKU: Final = Parameter("sku", "path", "A product's SKU", {"type": "string", "pattern": KEY_PATTERN})


class ProductList(BaseModel):
    """Products, the best match first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    products: list[ShelfProduct]


class ProductRoutes:
    """The routes over one catalogue. Look-ups and imports run on threads of their own, beside each other."""

    def __init__(self, catalogue: Catalogue, shelf: Shelf, news: ShelfNews) -> None:
        self._catalogue = catalogue
        self._shelf = shelf
        self._news = news
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="catalogue-read")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="catalogue-write")
        self._importing = False
        self._import_body = Body((CSV,), None, IMPORT_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route(
                "GET",
                "/v1/products",
                "findProducts",
                "Products for typed text (q) or a scanned code (gtin)",
                self.find_products,
                {200: json_answer("What was found, maybe nothing", ProductList)},
                errors=(503,),
                parameters=(_QUERY, _GTIN, _LIMIT),
            ),
            Route(
                "GET",
                "/v1/products/{sku}",
                "getProduct",
                "The product of a SKU",
                self.get_product,
                {200: json_answer("The product", ShelfProduct)},
                errors=(404, 503),
                parameters=(_SKU,),
            ),
            Route(
                "POST",
                "/v1/catalogue",
                "importCatalogue",
                "Take the products of a CSV file, all or nothing; products it does not name stay",
                self.import_catalogue,
                {200: json_answer("What changed", ImportCounts)},
                errors=(409, 503, 507),
                access=Access.LOCAL,
                parameters=(_NAME,),
                body=self._import_body,
            ),
        ]

    async def close(self) -> None:
        """Wait for what still runs, such as an import."""
        await asyncio.to_thread(self._writing.shutdown)
        await asyncio.to_thread(self._reading.shutdown)

    async def find_products(self, request: web.Request, caller: Caller) -> web.Response:
        """Search or scan."""
        del caller
        typed, gtin = request.query.get("q"), request.query.get("gtin")
        if (typed is None) == (gtin is None):
            raise Refusal(
                400, "query", "one of q and gtin", Problem("q", "not one of q and gtin", "?q=milk or ?gtin=…")
            )
        if typed is not None:
            look_up = partial(self._catalogue.search, typed, _limit_of(request))
        else:
            look_up = partial(self._catalogue.by_gtin, _gtin_of(gtin or ""))
        found = await asyncio.get_running_loop().run_in_executor(self._reading, look_up)
        answer = ProductList.model_construct(None, products=[self._shelf.show(product) for product in found])
        return web.Response(body=answer.model_dump_json().encode(), content_type=JSON)

    async def get_product(self, request: web.Request, caller: Caller) -> web.Response:
        """One product."""
        del caller
        found = await self.product(request.match_info["sku"])
        return web.Response(body=self._shelf.show(found).model_dump_json().encode(), content_type=JSON)

    async def product(self, sku: str) -> Product:
        """The product of a SKU.

        Raises:
            Refusal: 404 when there is none.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._reading, self._catalogue.by_sku, sku)
        if found is None:
            raise Refusal(404, "unknown_product", f"no product {sku}")
        return found

    async def import_catalogue(self, request: web.Request, caller: Caller) -> web.Response:
        """Spool the file, then import it; once begun, the import goes on even if the caller leaves."""
        del caller
        check_media_type(request, self._import_body)
        if self._importing:
            raise Refusal(409, "import_running", "another import is running", retry_after_s=5.0)
        self._importing = True
        try:
            spool = await self._spool(request)
        except BaseException:
            self._importing = False
            raise
        name = request.query.get("name", "catalogue.csv")[:FILE_NAME_CHARS_MAX]
        importing = asyncio.get_running_loop().run_in_executor(self._writing, self._import, spool, name)
        counts = await asyncio.shield(importing)
        return web.Response(body=counts.model_dump_json().encode(), content_type=JSON)

    def _import(self, spool: IO[bytes], name: str) -> ImportCounts:
        try:
            with spool:
                counts = self._catalogue.import_csv(spool, name)
        finally:
            self._importing = False
        self._news.ring()
        return counts

    async def _spool(self, request: web.Request) -> IO[bytes]:
        """The whole body in a file without a name, beside the catalogue, where there is room for it."""
        loop = asyncio.get_running_loop()
        spool = TemporaryFile(dir=self._catalogue.file.parent)  # noqa: SIM115 - the import closes it
        try:
            async for chunk in body_chunks(request, self._import_body):
                await loop.run_in_executor(self._writing, spool.write, chunk)
            spool.seek(0)
        except OSError as error:
            spool.close()
            raise StorageFailed(f"cannot keep the file while it arrives: {error.strerror}") from error
        except BaseException:
            spool.close()
            raise
        return spool


def _limit_of(request: web.Request) -> int:
    text = request.query.get("limit", str(RESULTS_DEFAULT))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= RESULTS_MAX:
        raise Refusal(400, "query", "limit is out of range", Problem("limit", "out of range", f"1 to {RESULTS_MAX}"))
    return int(text)


def _gtin_of(text: str) -> str:
    if not text.isascii() or not text.isdigit() or not 8 <= len(text) <= 14:
        raise Refusal(400, "query", "not a GTIN", Problem("gtin", "not a GTIN", "8 to 14 digits"))
    return text
