from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from sim.store import Basket, Product
from sim.store.cache import FILES_MAX, SalesCache
from tests.sim.store.shop import basket, basket_lists, line


def _products(baskets: list[Basket]) -> list[Product]:
    lines = {line.sku: line for basket in baskets for line in basket.lines}
    return [Product(sku, line.gtin, line.name, line.unit_price) for sku, line in lines.items()]


@given(basket_lists(most=5))
def test_what_is_written_is_read_back(baskets: list[Basket]) -> None:
    with TemporaryDirectory() as folder:
        cache = SalesCache(Path(folder), "one")
        assert cache.read() is None
        cache.write(baskets, _products(baskets))
        assert cache.read() == (baskets, _products(baskets))
        assert SalesCache(Path(folder), "another").read() is None


@given(st.data())
def test_a_damaged_file_is_as_good_as_none(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        cache = SalesCache(Path(folder), "one")
        cache.write([basket("b-1", line(), line("9"))], _products([basket("b-1", line(), line("9"))]))
        (file,) = Path(folder).iterdir()
        body = bytearray(file.read_bytes())
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(body) - 1))
            body[place] ^= data.draw(st.integers(1, 255))
        else:
            del body[data.draw(st.integers(0, len(body) - 1)) :]
        file.write_bytes(body)
        known = cache.read()
        assert known is None or known[0] == [basket("b-1", line(), line("9"))]


def test_without_a_folder_nothing_is_kept() -> None:
    cache = SalesCache(None, "one")
    cache.write([basket()], _products([basket()]))
    assert cache.read() is None


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = SalesCache(tmp_path / "file" / "cache", "one")
    cache.write([basket()], _products([basket()]))
    assert cache.read() is None


def test_only_the_latest_files_are_kept(tmp_path: Path) -> None:
    for number in range(FILES_MAX + 3):
        SalesCache(tmp_path, str(number)).write([basket()], _products([basket()]))
    assert len(list(tmp_path.iterdir())) == FILES_MAX
    assert SalesCache(tmp_path, str(FILES_MAX + 2)).read() is not None
