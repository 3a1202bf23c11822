"""The plain values of a simulated shop: products, baskets with their lines, and a source that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sim.store.business_day import business_day_of, day_bounds
from sim.store.money import amount_text, total_text, unit_price_text

__all__ = ["Basket", "Line", "Product", "SalesSource"]


@dataclass(frozen=True, slots=True)
class Product:
    """One article; `price` is its shelf price, a decimal string."""

    sku: str
    gtin: str | None
    name: str
    price: str
    department: str = ""
    category: str = ""
    brand: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a basket; quantity and money are decimal strings.

    `extended_amount` is what was paid for the line and decides every total; `unit_price` is the shelf price before
    discounts. The two are not always a product to the cent: three for 5.00.
    """

    sku: str
    gtin: str | None
    name: str
    quantity: str
    unit_price: str
    extended_amount: str

    @property
    def actual_unit_price(self) -> str:
        """What one unit cost after discounts: the shelf price, or with up to 4 decimals what makes the amount."""
        if amount_text(Decimal(self.unit_price) * Decimal(self.quantity)) == self.extended_amount:
            return self.unit_price
        return unit_price_text(self.extended_amount, self.quantity)


@dataclass(frozen=True, slots=True)
class Basket:
    """What one customer brought to the till. `customer` is the raw id and never enters an event."""

    id: str
    starts_at: datetime
    customer: str | None
    lines: tuple[Line, ...]

    @property
    def total(self) -> str:
        """The exact sum of the lines' extended amounts."""
        return total_text(line.extended_amount for line in self.lines)


class SalesSource:
    """One or more business days of sales, wherever they came from; needs at least one basket."""

    def __init__(
        self, name: str, baskets: Iterable[Basket], products: Iterable[Product], *, time_zone: str, currency: str
    ) -> None:
        self.name = name
        self.time_zone = time_zone
        self.currency = currency
        self._baskets = tuple(sorted(baskets, key=lambda basket: (basket.starts_at, basket.id)))
        self._products = tuple(sorted(products, key=lambda product: product.sku))
        assert self._baskets, "a source without baskets is refused where it is read"

    def baskets(self) -> tuple[Basket, ...]:
        """All baskets by time."""
        return self._baskets

    def products(self) -> tuple[Product, ...]:
        """Every product that the baskets hold, by sku, with a shelf price."""
        return self._products

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def day(self) -> date:
        """The business day of the first basket."""
        return business_day_of(self._baskets[0].starts_at, self.zone)

    @property
    def days(self) -> tuple[date, ...]:
        """Every business day from the first basket's to the last one's."""
        last = business_day_of(self._baskets[-1].starts_at, self.zone)
        return tuple(self.day + timedelta(days=number) for number in range((last - self.day).days + 1))

    @property
    def day_bounds(self) -> tuple[tuple[datetime, datetime], ...]:
        """Start and end of each business day, in UTC."""
        return tuple(day_bounds(day, day, self.zone) for day in self.days)

    @property
    def starts_at(self) -> datetime:
        """Where the first business day begins, in UTC."""
        return day_bounds(self.day, self.day, self.zone)[0]

    @property
    def ends_at(self) -> datetime:
        """Where the last business day ends, in UTC."""
        return day_bounds(self.day, self.days[-1], self.zone)[1]
