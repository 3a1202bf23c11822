"""The only part that knows Kivy: draws pictures and tells taps. Import `kiosk.screen.before_kivy` first."""

__all__: list[str] = []
