"""Packets are found however the bytes are cut, and no byte is held back, lost or made up."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sim.network.packets import PacketFramer, PacketType, Piece


def packet(kind: int, body: bytes) -> bytes:
    """One MQTT packet."""
    length, octets = len(body), bytearray()
    while True:
        length, low = divmod(length, 128)
        octets.append(low | (0x80 if length else 0))
        if not length:
            return bytes([kind << 4]) + bytes(octets) + body


PACKETS = st.lists(st.tuples(st.integers(1, 15), st.integers(0, 300) | st.sampled_from([16_383, 16_384])), max_size=20)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(at)]


def pieces_of(chunks: list[bytes]) -> list[Piece]:
    framer = PacketFramer()
    return [piece for chunk in chunks for piece in framer.feed(chunk)]


@given(PACKETS, st.lists(st.integers(0), max_size=20))
def test_packets_are_found_however_the_stream_is_cut(packets: list[tuple[int, int]], places: list[int]) -> None:
    wire = [packet(kind, bytes(size)) for kind, size in packets]
    found: list[tuple[int, bytes]] = []
    for piece in pieces_of(cut(b"".join(wire), places)):
        if piece.offset == 0:
            found.append((piece.packet, b""))
        assert piece.offset == len(found[-1][1])
        found[-1] = (piece.packet, found[-1][1] + piece.octets)
        assert piece.ends == (found[-1][1] == wire[len(found) - 1])
    assert found == [(kind, octets) for (kind, _), octets in zip(packets, wire, strict=True)]


@given(st.binary(), st.lists(st.integers(0), max_size=20))
def test_what_is_no_mqtt_passes_whole(noise: bytes, places: list[int]) -> None:
    chunks = cut(noise, places)
    framer = PacketFramer()
    assert [b"".join(piece.octets for piece in framer.feed(chunk)) for chunk in chunks] == chunks


def test_a_length_of_five_octets_is_a_packet_without_an_end() -> None:
    (piece,) = pieces_of([b"\x30\xff\xff\xff\xff\x01" + bytes(100)])
    assert (piece.packet, piece.ends) == (PacketType.PUBLISH, False)
