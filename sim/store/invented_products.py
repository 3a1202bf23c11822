"""The range of a shop that does not exist: invented brands, generic articles, prices made from a fixed seed."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from sim.store.barcodes import in_store_gtin
from sim.store.baskets import Product
from sim.store.money import cents_text
from sim.store.randomness import seeded

__all__ = ["invented_products"]

FIRST_SKU: Final = 100_001
BRANDS_PER_ARTICLE: Final = 3

_BRANDS: Final = (
    "Harrowmill",
    "Umberfield",
    "Larkmoor",
    "Tamberly",
    "Quillstone",
    "Brindlewick",
    "Fennhollow",
    "Oddersea",
    "Corner Basics",
)

# department -> category -> articles: "name | sizes | price of the smallest size in cents"
_RANGE: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Produce": {
        "Fruit": (
            "Apples | 1 kg, 2 kg | 199",
            "Bananas | 1 kg | 159",
            "Pears | 1 kg | 239",
            "Oranges | 1 kg, 2 kg | 189",
            "Grapes | 500 g | 249",
            "Strawberries | 250 g, 500 g | 229",
            "Lemons | 4 pieces | 149",
        ),
        "Vegetables": (
            "Tomatoes | 500 g, 1 kg | 179",
            "Cucumber | 1 piece | 89",
            "Carrots | 1 kg | 119",
            "Potatoes | 2 kg, 5 kg | 249",
            "Onions | 1 kg | 109",
            "Peppers | 3 pieces | 199",
            "Salad Mix | 150 g | 169",
        ),
    },
    "Bakery": {
        "Bread": (
            "Country Bread | 500 g, 1 kg | 229",
            "Rye Bread | 500 g, 750 g | 259",
            "Toast | 500 g | 139",
            "Rolls | 4 pieces, 8 pieces | 119",
        ),
        "Pastry": (
            "Croissants | 2 pieces, 4 pieces | 179",
            "Cinnamon Buns | 2 pieces | 219",
            "Marble Cake | 400 g | 329",
        ),
    },
    "Dairy": {
        "Milk": ("Whole Milk | 1 l | 119", "Low Fat Milk | 1 l | 109", "Oat Drink | 1 l | 189", "Cream | 200 ml | 99"),
        "Yoghurt": ("Plain Yoghurt | 150 g, 500 g | 59", "Fruit Yoghurt | 150 g, 500 g | 69", "Curd | 250 g | 99"),
        "Cheese": (
            "Gouda Slices | 200 g | 219",
            "Feta | 200 g | 249",
            "Mozzarella | 125 g | 119",
            "Butter | 250 g | 229",
        ),
        "Eggs": ("Eggs | 6 pieces, 10 pieces | 189",),
    },
    "Meat": {
        "Fresh Meat": ("Chicken Breast | 400 g, 800 g | 499", "Minced Beef | 500 g | 459", "Pork Chops | 500 g | 429"),
        "Cold Cuts": ("Ham | 100 g, 200 g | 189", "Salami | 100 g | 199", "Smoked Turkey | 100 g | 209"),
    },
    "Fish": {"Fish": ("Salmon Fillet | 250 g | 599", "Smoked Trout | 125 g | 349", "Herring Salad | 200 g | 229")},
    "Frozen": {
        "Frozen Meals": ("Pizza Margherita | 350 g | 299", "Vegetable Pan | 750 g | 349", "Fish Fingers | 300 g | 279"),
        "Frozen Basics": ("Peas | 450 g, 1 kg | 149", "Chips | 1 kg | 229", "Berries | 300 g | 299"),
        "Ice Cream": ("Vanilla Ice | 500 ml, 1 l | 279", "Chocolate Ice | 500 ml, 1 l | 289"),
    },
    "Grocery": {
        "Staples": (
            "Spaghetti | 500 g, 1 kg | 99",
            "Rice | 500 g, 1 kg | 149",
            "Flour | 1 kg | 79",
            "Sugar | 1 kg | 109",
        ),
        "Tins": (
            "Chopped Tomatoes | 400 g | 79",
            "Chick Peas | 400 g | 89",
            "Tuna | 160 g | 179",
            "Sweetcorn | 300 g | 109",
        ),
        "Sauces": (
            "Ketchup | 500 ml | 189",
            "Mustard | 250 ml | 119",
            "Olive Oil | 500 ml, 1 l | 549",
            "Pesto | 190 g | 229",
        ),
        "Breakfast": (
            "Muesli | 500 g, 1 kg | 249",
            "Oat Flakes | 500 g | 99",
            "Honey | 250 g, 500 g | 329",
            "Jam | 340 g | 199",
        ),
        "Snacks": ("Crisps | 150 g | 169", "Salted Nuts | 200 g | 249", "Crackers | 150 g | 139"),
        "Sweets": ("Milk Chocolate | 100 g, 200 g | 129", "Fruit Gums | 200 g | 109", "Butter Biscuits | 200 g | 149"),
    },
    "Drinks": {
        "Water": ("Still Water | 500 ml, 1.5 l | 39", "Sparkling Water | 500 ml, 1.5 l | 39"),
        "Soft Drinks": ("Cola | 330 ml, 1.5 l | 79", "Lemonade | 330 ml, 1.5 l | 75", "Orange Juice | 1 l | 219"),
        "Hot Drinks": (
            "Ground Coffee | 250 g, 500 g | 399",
            "Black Tea | 25 bags, 50 bags | 179",
            "Cocoa | 250 g | 249",
        ),
        "Beer and Wine": ("Lager | 500 ml | 99", "Wheat Beer | 500 ml | 119", "Red Wine | 750 ml | 499"),
    },
    "Household": {
        "Cleaning": ("Washing-up Liquid | 500 ml | 129", "All-purpose Cleaner | 1 l | 189", "Sponges | 5 pieces | 99"),
        "Laundry": ("Washing Powder | 1 kg, 3 kg | 399", "Softener | 1 l | 229"),
        "Paper": (
            "Kitchen Roll | 4 rolls | 279",
            "Toilet Paper | 8 rolls, 16 rolls | 349",
            "Tissues | 100 pieces | 119",
        ),
    },
    "Body Care": {
        "Washing": ("Shower Gel | 250 ml | 189", "Shampoo | 250 ml | 249", "Soap | 100 g | 89"),
        "Teeth": ("Toothpaste | 75 ml | 149", "Toothbrush | 1 piece, 2 pieces | 199"),
        "Baby": ("Nappies | 30 pieces, 60 pieces | 699", "Baby Wipes | 60 pieces | 149"),
    },
    "Pets": {
        "Pets": ("Cat Food | 400 g, 1.2 kg | 109", "Dog Food | 800 g, 3 kg | 189", "Cat Litter | 5 l, 10 l | 349")
    },
}


@cache
def invented_products() -> tuple[Product, ...]:
    """The whole range, always the same, about 400 products by sku."""
    random = seeded("invented products")
    products: list[Product] = []
    for department, category, name, sizes, cents in _articles():
        for brand in random.sample(_BRANDS, BRANDS_PER_ARTICLE):
            percent = random.randint(85, 130)
            for place, size in enumerate(sizes):
                number = FIRST_SKU + len(products)
                price = cents_text(_ending_in_nine(cents * percent * (10 + 8 * place) // 1000))
                products.append(
                    Product(
                        str(number), in_store_gtin(number), f"{brand} {name} {size}", price, department, category, brand
                    )
                )
    return tuple(products)


def _articles() -> Iterator[tuple[str, str, str, list[str], int]]:
    for department, categories in _RANGE.items():
        for category, articles in categories.items():
            for article in articles:
                name, sizes, cents = (part.strip() for part in article.split("|"))
                yield department, category, name, sizes.split(", "), int(cents)


def _ending_in_nine(cents: int) -> int:
    return max((cents + 5) // 10 * 10, 10) - 1
