"""The touchscreen beside the till: a process of its own over the agent's local API."""

__all__: list[str] = []
