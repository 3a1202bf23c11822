"""Event types are registered once, and what they hold is frozen and strict about its fields."""

from typing import Literal

import pytest
from pydantic import ValidationError

from agent.event_model import EventData, EventType, Stream, event_type, registered_types


@pytest.mark.parametrize("stream", ["sales", "stock", "agv", "kiosk", "touch", "audit", "health", "sensor"])
def test_the_streams_are_as_designed(stream: str) -> None:
    assert str(Stream(stream)) == stream
    assert len(Stream) == 8


def test_a_type_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.event_model._registry", {})

    @event_type("test.v1", Stream.HEALTH)
    class Body(EventData):
        answer: Literal[42]

    assert registered_types() == {"test.v1": EventType("test.v1", Stream.HEALTH, Body)}
    with pytest.raises(ValueError, match=r"event type test\.v1 is defined twice"):
        event_type("test.v1", Stream.SALES)(Body)


def test_nobody_else_can_change_the_registry() -> None:
    with pytest.raises(TypeError):
        registered_types()["x.v1"] = EventType("x.v1", Stream.SALES, EventData)  # type: ignore[index]  # the point


def test_event_data_is_frozen_and_knows_its_fields() -> None:
    class Body(EventData):
        number: float

    with pytest.raises(ValidationError, match="Extra inputs"):
        Body.model_validate({"number": 1, "other": 2})
    with pytest.raises(ValidationError, match="finite"):
        Body(number=float("inf"))
    with pytest.raises(ValidationError, match="frozen"):
        Body(number=1).number = 2  # type: ignore[misc]  # what this test is about
