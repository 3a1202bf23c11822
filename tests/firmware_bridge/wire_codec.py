"""The frames of PROTOCOL.md section 1 once more, the slow and plain way: what the compiled codec is held against."""

import zlib

__all__ = ["framed", "unframed"]


def framed(content: bytes) -> bytes:
    """Content with FCS, transparency and both flags."""
    checked = content + zlib.crc32(content).to_bytes(4, "little")
    return b"\x7e" + checked.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e") + b"\x7e"


def unframed(octets: bytes) -> list[bytes]:
    """The content of each good frame in a whole stretch of line; what stands behind the last flag is not judged."""
    found = []
    for piece in octets.split(b"\x7e")[:-1]:
        if piece.endswith(b"\x7d"):
            continue
        plain = _without_escapes(piece)
        checked = zlib.crc32(plain[:-4]).to_bytes(4, "little") == plain[-4:]
        if 6 <= len(plain) <= 135 and checked:
            found.append(plain[:-4])
    return found


def _without_escapes(piece: bytes) -> bytes:
    plain = bytearray()
    octets = iter(piece)
    for octet in octets:
        plain.append(next(octets) ^ 0x20 if octet == 0x7D else octet)
    return bytes(plain)
