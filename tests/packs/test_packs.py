"""Packs: verified whole, applied once, resumed after a cut, and never half."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.packs import PackRefused, Packs, PackShelf

CHUNK = 10


def manifest(pack: bytes, version: int = 1, **changes: object) -> bytes:
    fields = {
        "version": version, "sha256": sha256(pack).hexdigest(), "size_bytes": len(pack), "chunk_bytes": CHUNK
    }  # fmt: skip
    return json.dumps(fields | changes).encode()


def chunks(pack: bytes) -> list[bytes]:
    return [pack[at : at + CHUNK] for at in range(0, len(pack), CHUNK)]


class Device:
    """One device that follows the set `offers`."""

    def __init__(self, folder: Path) -> None:
        self.applied: list[bytes] = []
        self.packs = Packs(PackShelf(folder), {"offers": lambda file: self.applied.append(file.read_bytes())})

    def send(self, pack: bytes, version: int = 1, numbers: list[int] | None = None) -> None:
        self.packs.manifest("offers", manifest(pack, version))
        name = sha256(pack).hexdigest()
        parts = chunks(pack)
        for number in range(len(parts)) if numbers is None else numbers:
            self.packs.chunk("offers", name, number, parts[number])
            self.packs.apply("offers")


@given(pack=st.binary(min_size=1, max_size=95), order=st.randoms(use_true_random=False))
def test_a_pack_is_applied_once_whatever_the_order_and_repetition(
    pack: bytes, order: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    device = Device(tmp_path_factory.mktemp("packs"))
    numbers = [*range(len(chunks(pack))), *range(len(chunks(pack)))]
    order.shuffle(numbers)  # type: ignore[attr-defined]  # a random.Random
    device.send(pack, numbers=numbers)
    assert device.applied == [pack]
    assert device.packs.version("offers") == 1


def test_a_cut_transfer_goes_on_after_a_restart(tmp_path: Path) -> None:
    pack = b"0123456789" * 3
    Device(tmp_path).send(pack, numbers=[0, 2])
    later = Device(tmp_path)
    later.send(pack, numbers=[1])
    assert later.applied == [pack]


def test_a_pack_with_another_hash_changes_nothing_and_is_told(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.send(b"first pack here")
    good, bad = b"x" * 20, [b"x" * 10, b"y" * 10]
    device.packs.manifest("offers", manifest(good, 2))
    for number, part in enumerate(bad):
        device.packs.chunk("offers", sha256(good).hexdigest(), number, part)
    device.packs.apply("offers")
    assert device.applied == [b"first pack here"]
    assert device.packs.version("offers") == 1
    assert "another hash" in device.packs.problems["offers"]
    device.send(good, 2)
    assert device.applied[-1] == good
    assert not device.packs.problems


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_or_another_pack_of_the_same_is_not_taken(tmp_path: Path, version: int) -> None:
    device = Device(tmp_path)
    device.send(b"the one that counts", 2)
    assert device.packs.manifest("offers", manifest(b"another", version)) is None
    assert "not taken" in device.packs.problems["offers"]


def test_the_version_that_counts_is_applied_again_after_a_restart(tmp_path: Path) -> None:
    Device(tmp_path).send(b"kept over a restart")
    later = Device(tmp_path)
    later.packs.restore("offers")
    assert later.applied == [b"kept over a restart"]
    assert later.packs.manifest("offers", manifest(b"kept over a restart")) is None


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"nonsense", "not JSON"),
        (manifest(b"x", version=0), "version"),
        (manifest(b"x", size_bytes=10**12), "size_bytes"),
        (manifest(b"x", chunk_bytes=10**7), "chunk_bytes"),
        (manifest(b"x", sha256="../../etc/passwd"), "sha256"),
    ],
)
def test_a_manifest_that_cannot_be_is_told_with_its_field(tmp_path: Path, payload: bytes, told: str) -> None:
    device = Device(tmp_path)
    assert device.packs.manifest("offers", payload) is None
    assert told in device.packs.problems["offers"]


def test_a_chunk_of_another_size_is_refused(tmp_path: Path) -> None:
    pack = b"0123456789" * 2
    device = Device(tmp_path)
    device.packs.manifest("offers", manifest(pack))
    device.packs.chunk("offers", sha256(pack).hexdigest(), 0, b"too long a chunk")
    device.packs.apply("offers")
    assert "none of pack" in device.packs.problems["offers"]
    assert not device.applied


@pytest.mark.case("P6")
def test_an_applier_that_fails_by_a_fault_of_ours_is_told_and_harms_no_other_set(tmp_path: Path) -> None:
    applied: list[Path] = []

    def fail(_: Path) -> None:
        raise IndexError("list index out of range")

    packs = Packs(PackShelf(tmp_path), {"catalogue": fail, "offers": applied.append})
    for name in packs.sets:
        packs.manifest(name, manifest(b"x"))
        packs.chunk(name, sha256(b"x").hexdigest(), 0, b"x")
        packs.apply(name)
    assert "our fault: IndexError" in packs.problems["catalogue"]
    assert packs.version("catalogue") == 0
    assert packs.version("offers") == len(applied) == 1


def test_an_applier_that_refuses_leaves_the_version_before(tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise PackRefused("offers refused: [0].sku: missing")

    packs = Packs(PackShelf(tmp_path), {"offers": refuse})
    packs.manifest("offers", manifest(b"x"))
    packs.chunk("offers", sha256(b"x").hexdigest(), 0, b"x")
    packs.apply("offers")
    assert packs.version("offers") == 0
    assert "sku" in packs.problems["offers"]


def test_a_newer_version_may_arrive_while_one_is_applied_and_counts_next(tmp_path: Path) -> None:
    applied: list[bytes] = []
    first, second = b"first", b"second pack"

    def apply(file: Path) -> None:
        applied.append(file.read_bytes())
        if len(applied) == 1:
            packs.manifest("offers", manifest(second, 2))
            packs.chunk("offers", sha256(second).hexdigest(), 0, second[:CHUNK])

    packs = Packs(PackShelf(tmp_path), {"offers": apply})
    packs.manifest("offers", manifest(first))
    packs.chunk("offers", sha256(first).hexdigest(), 0, first)
    packs.apply("offers")
    assert packs.version("offers") == 1
    assert packs.missing("offers") == [1]
    packs.chunk("offers", sha256(second).hexdigest(), 1, second[CHUNK:])
    packs.apply("offers")
    assert (packs.version("offers"), applied) == (2, [first, second])
