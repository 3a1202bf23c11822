"""What a disk may hold after the power went: replays a trace of calls and makes the legal states of a cut.

What was synced is there. Of what was not, each sector of 512 bytes holds any of the contents it had since the last
sync, independently of all others; a file has any of its sizes since then; names made, removed or changed since the
folder's last sync may be as before. A failed sync forgets: what it should have written may be lost although a later
one succeeds (as Linux does). It knows files and names, nothing of SQLite.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Final, NamedTuple

from tests.log.power_cut.names import ROOT, Names

__all__ = ["Disk", "Operation", "Plan", "State", "crash_states", "operations"]

SECTOR: Final = 512
FOLDER: Final = ROOT
_HEAD: Final = struct.Struct("<ciqI")


class State(dict[str, bytes]):
    """The folder's files by their names; a name that ends with a slash is a folder's."""

    def __init__(self, files: Mapping[str, bytes], inodes: Mapping[int, str] | None = None) -> None:
        super().__init__(files)
        self.inodes = inodes or {}
        """Which file has, or had when it was recorded, which inode: for files that speak of inodes."""


class Operation(NamedTuple):
    """One call that reached the disk, or a mark of the recorded program."""

    kind: str
    file: int
    at: int
    body: bytes

    @property
    def makes_durable(self) -> bool:
        return self.kind in "SX"


def operations(trace: bytes) -> Iterator[Operation]:
    """The records of `disk_tap.c`, in order."""
    at = 0
    while at < len(trace):
        kind, file, offset, size = _HEAD.unpack_from(trace, at)
        at += _HEAD.size
        yield Operation(kind.decode(), file, offset, trace[at : at + size])
        at += size


class _Step(NamedTuple):
    """One write or change of size: the sectors it touched as they were afterwards, and the file's size then."""

    sectors: dict[int, bytes]
    size: int


@dataclass
class _File:
    cache: bytearray
    """As every process sees it."""
    durable: bytearray
    steps: list[_Step] = field(default_factory=list)
    """Since the last sync, in order."""
    forgotten: list[_Step] = field(default_factory=list)
    """Of failed syncs: nobody writes them again."""

    def write(self, at: int, body: bytes) -> None:
        first = min(at, len(self.cache))
        self.cache.extend(bytes(max(0, at + len(body) - len(self.cache))))
        self.cache[at : at + len(body)] = body
        self._add(range(first // SECTOR, (at + len(body) - 1) // SECTOR + 1))

    def resize(self, size: int) -> None:
        before = len(self.cache)
        del self.cache[size:]
        self.cache.extend(bytes(size - len(self.cache)))
        self._add(range(before // SECTOR, (size + SECTOR - 1) // SECTOR))

    def sync(self) -> None:
        rewritten = {sector for step in self.steps for sector in step.sectors}
        for step in self.forgotten:
            for sector in rewritten & step.sectors.keys():
                del step.sectors[sector]
        durable = self.content(lambda _, sector: sector in rewritten, len(self.cache), b"\0")
        self.durable, self.steps = bytearray(durable), []
        self.forgotten = [step for step in self.forgotten if step.sectors]

    def fail_sync(self) -> None:
        self.forgotten += self.steps
        self.steps = []

    @property
    def uncertain(self) -> list[_Step]:
        return self.forgotten + self.steps

    def content(self, arrived: Callable[[int, int], bool], size: int, fill: bytes) -> bytes:
        """With those sectors of each step that `arrived` (number of the step, sector)."""
        result = bytearray(fill * (size // len(fill) + 1))[:size]
        kept = min(size, len(self.durable))
        result[:kept] = self.durable[:kept]
        for number, step in enumerate(self.uncertain):
            for sector, body in step.sectors.items():
                if sector * SECTOR < size and arrived(number, sector):
                    end = min(size, (sector + 1) * SECTOR)
                    result[sector * SECTOR : end] = body[: end - sector * SECTOR]
        return bytes(result)

    def _add(self, sectors: Iterable[int]) -> None:
        self.steps.append(
            _Step(
                {at: bytes(self.cache[at * SECTOR : (at + 1) * SECTOR]).ljust(SECTOR, b"\0") for at in sectors},
                len(self.cache),
            )
        )


class Disk:
    """One folder, from what lay in it safely and the calls since."""

    def __init__(self, safe: State) -> None:
        self.names = Names()
        self._files: dict[int, _File] = {}
        self._number_of: dict[int, int] = {}
        """A file may get several numbers in a trace, by each process one; here it has the first."""
        self._inodes: dict[int, int] = {}
        for path, body in sorted(safe.items()):
            if path.endswith("/"):
                self.names.make_folder(path[:-1])
            else:
                self.names.add(path, self._new_file(body))
        self._inodes = {inode: self.names.find(path) for inode, path in safe.inodes.items() if path in safe}
        self.names.sync_all()

    def apply(self, done: Operation) -> None:
        """Let one call happen."""
        name = done.body.decode() if done.kind in "CUDRL" or done.file == FOLDER else ""
        match done.kind:
            case "C":
                if done.at > 0:  # created
                    self.names.add(name, self._new_file(b""))
                self._inodes[abs(done.at)] = self._number_of[done.file] = self.names.find(name)
            case "W":
                self._file(done).write(done.at, done.body)
            case "T":
                self._file(done).resize(done.at)
            case "S" if done.file == FOLDER:
                self.names.sync(name)
            case "S":
                self._file(done).sync()
            case "X" if done.file != FOLDER:
                self._file(done).fail_sync()
            case "U":
                self.names.remove(name)
            case "D":
                self.names.make_folder(name)
            case "R":
                self.names.rename(*name.split("\0"))
            case "L":
                old, new = name.split("\0")
                self.names.add(new, self.names.find(old))

    @property
    def now(self) -> State:
        """What every process sees."""
        return self.state(lambda _: True, lambda _, file: bytes(file.cache))

    def state(self, arrived: Callable[[int], bool], content: Callable[[int, _File], bytes]) -> State:
        """With the names whose change arrived, and a content for each file."""
        found = self.names.paths(arrived)
        bodies = {number: content(number, self._files[number]) for number in {*found.values()} & self._files.keys()}
        path_of = {number: path for path, number in found.items()}
        inodes = {inode: path_of[number] for inode, number in self._inodes.items() if number in path_of}
        return State({path: bodies.get(number, b"") for path, number in found.items()}, inodes)

    def uncertain(self, number: int) -> list[_Step]:
        """What is not known to be there of a file."""
        return self._files[number].uncertain

    def _file(self, done: Operation) -> _File:
        return self._files[self._number_of[done.file]]

    def _new_file(self, body: bytes) -> int:
        number = len(self._files) + 1
        self._files[number] = _File(bytearray(body), bytearray(body))
        return number


class Plan(NamedTuple):
    """How many states to make at a cut."""

    all_subsets_of: int = 8
    """With this many uncertain calls or fewer: every subset of them."""
    subsets: int = 16
    """Otherwise as many random ones, beside every beginning, and all but one."""
    scattered: int = 16
    """States in which each sector chooses for itself."""
    torn: int = 12
    """States in which the last call to arrive arrived in part."""


class _Unit(NamedTuple):
    """Something that arrived or not: one file's step, or a change of names."""

    file: int | None
    number: int


class _Cut:
    def __init__(self, disk: Disk, ignored: Sequence[str]) -> None:
        self._disk = disk
        self._ignored = tuple(ignored)
        forgettable = {number for path, number in disk.names.paths().items() if path.endswith(self._ignored)}
        self.units = [_Unit(None, number) for number in range(len(disk.names.unsynced))]
        self.units += [
            _Unit(file, at)
            for file in sorted(disk.names.files() - forgettable)
            for at in range(len(disk.uncertain(file)))
        ]

    def subset(self, arrived: Sequence[bool], torn: Mapping[_Unit, Callable[[int], bool]] | None = None) -> State:
        """Whole calls arrived or not, but for those in `torn`: of these the sectors that it says."""
        torn = torn or {}
        chosen = {unit for unit, there in zip(self.units, arrived, strict=True) if there} | torn.keys()

        def content(number: int, file: _File) -> bytes:
            steps = file.uncertain
            last = max((at for at in range(len(steps)) if _Unit(number, at) in chosen), default=None)
            size = len(file.durable) if last is None else steps[last].size
            return file.content(
                lambda step, sector: (
                    (unit := _Unit(number, step)) in chosen and (unit not in torn or torn[unit](sector))
                ),
                size,
                b"\0",
            )

        return self._state(lambda number: _Unit(None, number) in chosen, content)

    def scattered(self, random: Random) -> State:
        """Each sector for itself; where none of a file's contents arrived, there may be anything."""
        share, fill = random.choice((0.1, 0.5, 0.9)), random.choice((b"\0", random.randbytes(SECTOR)))

        def content(number: int, file: _File) -> bytes:
            sizes = [len(file.durable), *(step.size for step in file.uncertain)]
            size = random.choice([sizes[-1], max(sizes), random.choice(sizes)])
            return file.content(lambda *_: random.random() < share, size, fill)

        return self._state(lambda _: random.random() < share, content)

    def sectors(self, unit: _Unit) -> list[int]:
        return [] if unit.file is None else sorted(self._disk.uncertain(unit.file)[unit.number].sectors)

    def _state(self, renamed: Callable[[int], bool], content: Callable[[int, _File], bytes]) -> State:
        state = self._disk.state(renamed, content)
        return State({path: body for path, body in state.items() if not path.endswith(self._ignored)}, state.inodes)


def crash_states(disk: Disk, plan: Plan, random: Random, ignored: Sequence[str]) -> Iterator[State]:
    """States after a cut at this moment, without files whose names end with one of `ignored`."""
    cut = _Cut(disk, ignored)
    units = len(cut.units)
    if units <= plan.all_subsets_of:
        yield from map(cut.subset, product((False, True), repeat=units))
    else:
        yield from (cut.subset([at < length for at in range(units)]) for length in range(units + 1))
        yield from (cut.subset([at != missing for at in range(units)]) for missing in range(units))
        for _ in range(plan.subsets):
            share = random.random()
            yield cut.subset([random.random() < share for _ in range(units)])
    yield from _torn(cut, plan, random)
    if units:
        yield from (cut.scattered(random) for _ in range(plan.scattered))


def _torn(cut: _Cut, plan: Plan, random: Random) -> Iterator[State]:
    """One call arrived up to a sector, or from one on; those before it did, those after it did not or did."""
    chances = [
        (at, sectors[middle], from_it_on, others)
        for at, unit in enumerate(cut.units)
        if (sectors := cut.sectors(unit))
        for middle in range(1, len(sectors))
        for from_it_on in (False, True)
        for others in (False, True)
    ]
    for at, middle, from_it_on, others in random.sample(chances, min(plan.torn, len(chances))):
        arrived = [before < at or (others and before > at) for before in range(len(cut.units))]
        yield cut.subset(arrived, {cut.units[at]: _half(middle, from_it_on)})


def _half(middle: int, from_it_on: bool) -> Callable[[int], bool]:  # noqa: FBT001 - one of two halves
    return lambda sector: (sector >= middle) == from_it_on
