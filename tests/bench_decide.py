"""How long decisions and learning take on warmed tables: `python -m tests.bench_decide DATA [SECONDS]`.

DATA is a folder that `storeforward learn` has filled; a copy of its tables is used. Questions are halves of kept
baskets, each with a known customer; while they are asked, baskets are learned; both come at 20 a second.
"""

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from random import Random
from shutil import copyfile
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

from agent.catalogue import Catalogue
from agent.decide import (
    FILE_NAME,
    BoughtBasket,
    DecisionEngine,
    DecisionRequest,
    Exposure,
    LearnedModel,
    LearnedTables,
    Shelf,
)

BASKETS = 2_000
PER_S = 20.0


def main() -> None:
    data, seconds = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    random = Random(1)
    with TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        copyfile(data / "decide" / FILE_NAME, file)
        Catalogue.open(Path(folder) / "model.sqlite").close()
        baskets, customers = kept(file, random)
        with closing(LearnedTables.open(file)) as tables:
            stop = threading.Event()
            learned_ms: list[float] = []
            learning = threading.Thread(target=learn, args=(tables, baskets, customers, stop, learned_ms))
            learning.start()
            decided_ms = ask(Path(folder), baskets, customers, seconds, random)
            stop.set()
            learning.join()
    tell("decide, basket", decided_ms[0])
    tell("decide, empty basket", decided_ms[1])
    tell("learn a basket", learned_ms)


def kept(file: Path, random: Random) -> tuple[list[list[str]], list[str]]:
    """Some of the kept baskets, and some customers."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        (last,) = connection.execute("SELECT max(number) FROM basket").fetchone()
        chosen = random.sample(range(1, last + 1), min(BASKETS, last))
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("CREATE TEMP TABLE chosen (basket INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO chosen VALUES (?)", [(number,) for number in chosen])
        found: dict[int, list[str]] = {}
        for basket, sku in connection.execute(
            "SELECT line.basket, sku FROM line JOIN item ON number = item WHERE line.basket IN chosen"
        ):
            found.setdefault(basket, []).append(sku)
        customers = [name for (name,) in connection.execute("SELECT id FROM customer ORDER BY number LIMIT 1000")]
    return list(found.values()), customers


def ask(
    folder: Path, baskets: list[list[str]], customers: list[str], seconds: float, random: Random
) -> tuple[list[float], list[float]]:
    took_ms: tuple[list[float], list[float]] = ([], [])
    with (
        closing(LearnedModel.open(folder / FILE_NAME)) as learned,
        closing(Shelf.open(folder / "model.sqlite")) as shelf,
    ):
        engine = DecisionEngine(learned, shelf)
        ends_s = perf_counter() + seconds
        number = 0
        while perf_counter() < ends_s:
            sleep(random.expovariate(PER_S))
            number += 1
            skus = random.choice(baskets) if number % 4 else []
            half = tuple(skus[: (len(skus) + 1) // 2])
            request = DecisionRequest("d", "t", f"b-{number}", half, random.choice(customers), 5, 1_000, 0.0)
            started_s = perf_counter()
            engine.decide(request, Exposure())
            took_ms[0 if half else 1].append((perf_counter() - started_s) * 1_000)
    return took_ms


def learn(
    tables: LearnedTables, baskets: list[list[str]], customers: list[str], stop: threading.Event, took_ms: list[float]
) -> None:
    random = Random(2)
    key = 1 << 60
    while not stop.wait(random.expovariate(PER_S)):
        key += 1
        fact = BoughtBasket(key, 1_513_555_200.0, tuple(random.choice(baskets)), random.choice(customers))
        started_s = perf_counter()
        tables.take([fact])
        took_ms.append((perf_counter() - started_s) * 1_000)


def tell(name: str, took_ms: list[float]) -> None:
    cut = quantiles(took_ms, n=100)
    print(f"{name}: {len(took_ms):,} times, p50 {cut[49]:.2f} ms, p95 {cut[94]:.2f} ms, p99 {cut[98]:.2f} ms")


if __name__ == "__main__":
    main()
