"""How a serial port is opened: for one owner, raw, 8 data bits, no parity, 1 stop bit; knows no frames."""

__all__ = ["close_port", "open_port"]

def open_port(port: str, baud: int) -> int:
    """A non-blocking descriptor that only we have; raises PortUnusable."""

def close_port(descriptor: int) -> None:
    """Give back what open_port gave; what was not sent yet is not waited for."""
