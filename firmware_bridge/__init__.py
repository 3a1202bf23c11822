"""The serial bridge to vehicle controllers: frames and vehicle commands, nothing of retail."""

__all__: list[str] = []
