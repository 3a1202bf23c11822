"""Owns the errors of the bridge: each says who is to blame, what was expected and what to do."""

from enum import StrEnum

__all__ = ["BridgeError", "CommandRefused", "NoAnswer", "PortUnusable", "Refusal", "WrongVersion"]


class BridgeError(Exception):
    """Base of all errors this package raises on purpose."""


class Refusal(StrEnum):
    """Why a command was not taken; the value is the sentence."""

    CLOSED = "the bridge is closed: open a new one"
    LINK_DOWN = "the link to the vehicle is not up: wait for LinkUp, then decide anew whether it should still move"
    QUEUE_FULL = "as many commands as the bridge holds wait for the vehicle: wait for a result"
    EVENTS_UNREAD = "the bridge's events are not being read, so nobody would see the result: read them"


class CommandRefused(BridgeError):
    """The caller's command was not taken, and never reaches the line."""

    def __init__(self, command_id: int, refusal: Refusal) -> None:
        super().__init__(f"command {command_id} refused: {refusal.value}")
        self.command_id = command_id
        self.refusal = refusal


class PortUnusable(BridgeError):
    """The environment's fault: the serial port cannot be opened, or went away."""

    def __init__(self, port: str, problem: str, error_number: int) -> None:
        super().__init__(f"{port}: {problem}")
        self.port = port
        self.problem = problem
        self.error_number = error_number


class NoAnswer(BridgeError):
    """The vehicle's, or the cable's: nothing came back in time."""


class WrongVersion(BridgeError):
    """The vehicle's firmware and this bridge speak different versions of the protocol."""
