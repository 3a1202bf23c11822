"""One evaluation: every model fitted and asked every question of its tasks, at the chain's and the store's scope."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, Literal

import numpy as np

from agent.clock import Clock
from agent.decide.solver import ITEMS_MAX
from sim.evaluate.baselines import AssociationRules, BasketEase, PersonalTop, Popularity, pair_counts
from sim.evaluate.metrics import Metrics, Scored, score, summarise
from sim.evaluate.model import Model
from sim.evaluate.ours import Storeforward
from sim.evaluate.protocol import EvaluationRefused, Query, Split, Task

__all__ = ["Contest", "Row", "Scope"]

STORES_MAX: Final = 10
TASKS: Final[tuple[Task, ...]] = ("basket", "next")
MS: Final = 1_000.0

Scope = Literal["chain", "store"]
Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one task at one scope."""

    task: Task
    model: str
    scope: Scope
    metrics: Metrics
    fit_s: float
    p95_ms: float
    size_mb: float
    state_mb: float

    def told(self) -> dict[str, Any]:  # Any: JSON
        """As the command prints it."""
        figures = asdict(self)
        metrics: dict[str, Any] = figures.pop("metrics")  # Any: JSON
        return figures | metrics


@dataclass(slots=True)
class _Answers:
    """What one model said at one scope, over one or more fits."""

    scored: dict[Task, list[Scored]]
    took_ms: dict[Task, list[float]]
    fit_s: float = 0.0
    size_mb: float = 0.0
    state_mb: float = 0.0


class Contest:
    """Runs models over one split; each answer also goes to `dump`, one JSON line per question."""

    def __init__(self, split: Split, clock: Clock, progress: Progress, dump: IO[str] | None = None) -> None:
        self._split = split
        self._clock = clock
        self._progress = progress
        self._dump = dump

    def chain(self) -> list[Row]:
        """All models on the sales of all stores together."""
        split = self._split
        queries = {task: split.queries(task) for task in TASKS}
        had_before = split.had_before()
        rows = []
        makers: list[Callable[[Path], Model]] = [
            lambda _: Popularity(split),
            lambda _: AssociationRules(pair_counts(split)),
            lambda _: PersonalTop(split),
            lambda _: BasketEase(pair_counts(split)),
            lambda folder: Storeforward(split, folder, self._clock, items_max=split.items),
        ]
        for make in makers:
            name, answers = self._run(make, queries, had_before, "chain")
            rows += self._rows(name, answers, "chain")
        return rows

    def stores(self) -> list[Row]:
        """Popularity and ours at the largest stores, each from its own sales alone; all their questions together."""
        stores, counts = np.unique(self._split.train.store, return_counts=True)
        largest = stores[np.argsort(-counts, kind="stable")][:STORES_MAX]
        totals: dict[str, _Answers] = {}
        for place, store in enumerate(largest.tolist()):
            split = self._split.of_store(store)
            queries = {task: split.queries(task) for task in TASKS}
            had_before = split.had_before()
            self._progress("stores", place, len(largest))
            for make in (
                lambda _, split=split: Popularity(split),
                lambda folder, split=split: Storeforward(split, folder, self._clock, items_max=ITEMS_MAX),
            ):
                name, answers = self._run(make, queries, had_before, "store")
                _add(totals.setdefault(name, _no_answers()), answers)
        self._progress("stores", len(largest), len(largest))
        return [row for name, answers in totals.items() for row in self._rows(name, answers, "store")]

    def _run(
        self,
        make: Callable[[Path], Model],
        queries: dict[Task, list[Query]],
        had_before: dict[int, frozenset[int]],
        scope: Scope,
    ) -> tuple[str, _Answers]:
        answers = _no_answers()
        with TemporaryDirectory(prefix="storeforward-evaluate-") as folder:
            started_s = self._clock.monotonic_s()
            model = make(Path(folder))
            answers.fit_s = self._clock.monotonic_s() - started_s
            try:
                for task in model.tasks:
                    self._ask(model, task, queries[task], had_before, scope, answers)
                answers.size_mb, answers.state_mb = model.size_mb, model.state_mb
            finally:
                if isinstance(model, Storeforward):
                    model.close()
        return model.name, answers

    def _ask(
        self,
        model: Model,
        task: Task,
        queries: Sequence[Query],
        had_before: dict[int, frozenset[int]],
        scope: Scope,
        answers: _Answers,
    ) -> None:
        for place, query in enumerate(queries):
            if scope == "chain" and place % 100 == 0:
                self._progress(f"{model.name}, {task}", place, len(queries))
            started_s = self._clock.monotonic_s()
            shown = model.answer(query)
            took_ms = (self._clock.monotonic_s() - started_s) * MS
            if isinstance(model, Storeforward):
                took_ms = model.decide_ms(query)
            answers.took_ms[task].append(took_ms)
            answers.scored[task].append(score(shown, query.bought, had_before.get(query.household, frozenset())))
            if self._dump is not None:
                self._write(self._dump, task, scope, model.name, query, shown)
        if scope == "chain":
            self._progress(f"{model.name}, {task}", len(queries), len(queries))

    def _write(self, dump: IO[str], task: Task, scope: Scope, model: str, query: Query, shown: Sequence[int]) -> None:
        names = self._split.train.item_names
        line = {
            "task": task,
            "scope": scope,
            "model": model,
            "query": query.id,
            "given": [names[item] for item in query.given],
            "items": [names[item] for item in shown],
        }
        dump.write(json.dumps(line) + "\n")

    def _rows(self, name: str, answers: _Answers, scope: Scope) -> list[Row]:
        rows = []
        for task in TASKS:
            if answers.scored[task]:
                p95_ms = float(np.percentile(answers.took_ms[task], 95))
                metrics = summarise(answers.scored[task], self._split.seed)
                rows.append(
                    Row(
                        task,
                        name,
                        scope,
                        metrics,
                        fit_s=round(answers.fit_s, 3),
                        p95_ms=round(p95_ms, 3),
                        size_mb=answers.size_mb,
                        state_mb=answers.state_mb,
                    )
                )
        if not rows:
            raise EvaluationRefused("nothing can be asked: no basket after the split has 4 products of the catalogue")
        return rows


def _no_answers() -> _Answers:
    return _Answers({task: [] for task in TASKS}, {task: [] for task in TASKS})


def _add(total: _Answers, one: _Answers) -> None:
    """Questions add up; of the stores' costs the largest counts."""
    for task in TASKS:
        total.scored[task] += one.scored[task]
        total.took_ms[task] += one.took_ms[task]
    total.fit_s = max(total.fit_s, one.fit_s)
    total.size_mb = max(total.size_mb, one.size_mb)
    total.state_mb = max(total.state_mb, one.state_mb)
