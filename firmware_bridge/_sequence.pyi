"""Lane 1: sequenced delivery, go back N; compiled code only, nothing for Python."""

__all__: list[str] = []
