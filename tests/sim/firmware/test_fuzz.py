"""2e5 mutated frames, most with a right FCS, into the sanitizer build: no bad access, and no motion."""

import json
import struct
import subprocess

import pytest

from sim.firmware import Product, build
from tests.sim.firmware.wire import command_body, information, supervisory, unnumbered, xid_information

FRAMES = 100_000

COMMANDS = [
    command_body(code, command_id, epoch, ttl_ms, body)
    for code, body in ((1, bytes(16)), (2, struct.pack("<IHH", 9, 0, 5)), (3, bytes(8)), (4, b""), (5, b""), (6, b""))
    for command_id, epoch, ttl_ms in ((1, 1, 65535), (2, 1, 5))
] + [command_body(7, 9, 1, 65535, struct.pack("<I", 1)), command_body(0x55, 10, 1, 0, bytes(40))]

CORPUS = [
    *(unnumbered(0xBF, xid_information(epoch=epoch, window=window)) for epoch, window in ((1, 8), (2, 1))),
    *(unnumbered(control) for control in (0x7F, 0x7F, 0x53)),
    unnumbered(0xF3, b"\x7e\x7d" * 64),
    unnumbered(0x0F, sense=0),
    *(information(number, number % 3, info) for number, info in enumerate(COMMANDS)),
    *(supervisory(kind, number, poll=number == 1) for kind in (1, 5, 9) for number in range(3)),
    unnumbered(0x03, struct.pack("<BHHHB", 0xE0, 1, 250, 0, 0), lane=30),
    unnumbered(0x03, struct.pack("<BHB", 0xE1, 1, 1), lane=30),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_frames_neither_break_nor_move_the_vehicle(seed: int) -> None:
    run = subprocess.run(
        [build(Product.FUZZ), str(seed), str(FRAMES)],
        input="".join(f"{frame.hex()}\n" for frame in CORPUS),
        capture_output=True,
        check=False,
        text=True,
    )
    assert run.stderr == ""
    assert run.returncode == 0
    seen = json.loads(run.stdout)
    assert not seen["moved"]
    assert min(seen[name] for name in ("frames", "runts", "giants", "damaged", "aborted", "unknown")) > 10
    assert seen["results"] == 64
