"""Frames on the wire: RFC 1662 transparency and FCS-32; knows no addresses and no time."""

__all__ = ["Decoder", "encode", "fcs"]

class Decoder:
    """Takes octets of a line in any portions and gives the good frames among them."""

    @property
    def frames(self) -> int:
        """Good frames."""
    @property
    def runts(self) -> int:
        """Frames of fewer than 6 octets."""
    @property
    def giants(self) -> int:
        """Frames of more than 135 octets."""
    @property
    def damaged(self) -> int:
        """Frames with a wrong FCS."""
    @property
    def aborted(self) -> int:
        """Frames taken back by their sender."""
    def feed(self, octets: bytes) -> list[bytes]:
        """The content (address, control, information) of each frame completed by these octets."""

def encode(content: bytes) -> bytes:
    """Address, control and information (2..131 octets) as they go to the line: flags, transparency, FCS."""

def fcs(octets: bytes) -> int:
    """The FCS-32 of RFC 1662 C.3 over `octets`."""
