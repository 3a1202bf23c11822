"""XID information as octets; compiled code only, nothing for Python."""

__all__: list[str] = []
