"""The store day that `storeforward demo` plays, and what a person sees of it."""

__all__: list[str] = []
