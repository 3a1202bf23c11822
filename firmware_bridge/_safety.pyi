"""Lane 30: stop, heartbeat and release; compiled code only, nothing for Python."""

__all__: list[str] = []
