"""The bridge's side of a link; compiled code only, nothing for Python."""

__all__: list[str] = []
