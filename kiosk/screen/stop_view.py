"""The panel that tells of a stop: beside the basket, in the place of the cards; its looks are in `kiosk.kv`."""

from collections.abc import Callable
from typing import Any, Final

from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from kiosk import inputs
from kiosk.arrangement import Arrangement
from kiosk.stop_picture import StopPicture, VehicleKind, VehiclePicture

__all__ = ["StopView", "VehicleView"]

Kivy = Any  # Any: Kivy's classes carry no types

SIGNS: Final = {
    VehicleKind.TELLING: "◔",
    VehicleKind.STOPPING: "◔",
    VehicleKind.STOPPED: "■",
    VehicleKind.SILENT: "✕",
    VehicleKind.UNTOLD: "✕",
    VehicleKind.RELEASED: "▸",
}
LOOKS: Final = {
    VehicleKind.TELLING: "pending",
    VehicleKind.STOPPING: "pending",
    VehicleKind.STOPPED: "done",
    VehicleKind.SILENT: "refused",
    VehicleKind.UNTOLD: "refused",
    VehicleKind.RELEASED: "hidden",
}


class VehicleView(BoxLayout):
    """One row: a vehicle, and in sign, words and ground how it is."""

    name = StringProperty("")
    text = StringProperty("")
    sign = StringProperty("")
    look = StringProperty("")

    def show(self, vehicle: VehiclePicture | None) -> None:
        self.name, self.text = (vehicle.name, vehicle.text) if vehicle else ("", "")
        self.sign, self.look = (SIGNS[vehicle.kind], LOOKS[vehicle.kind]) if vehicle else ("", "")


class StopView(BoxLayout):
    """The whole panel. Of more vehicles than there are rows, those that stand are left out first, and counted."""

    headline = StringProperty("")
    hint = StringProperty("")
    more = StringProperty("")
    bad = BooleanProperty(False)

    def __init__(self, arrangement: Arrangement, take: Callable[[inputs.Input], None], **kwargs: Kivy) -> None:
        super().__init__(**kwargs)
        self.rows = [VehicleView() for _ in range(arrangement.vehicle_rows)]
        for row in self.rows:
            self.ids.rows.add_widget(row)
        self.ids.close.on_tap = lambda _: take(inputs.StopClosed())

    def show(self, stop: StopPicture) -> None:
        self.headline, self.hint, self.bad = stop.headline, stop.hint, stop.bad
        left = len(stop.vehicles) - len(self.rows)
        vehicles = (
            stop.vehicles if left <= 0 else sorted(stop.vehicles, key=lambda one: one.kind is VehicleKind.STOPPED)
        )
        for number, row in enumerate(self.rows):
            row.show(vehicles[number] if number < len(vehicles) else None)
        self.more = f"+{left}" if left > 0 else ""
