"""Why a person's wish about a vehicle is not done: each says what is the case and what to do."""

from agent.errors import CallerError, EnvironmentFault

__all__ = ["NotStopped", "NothingToForget", "NothingToResolve", "ReleaseRefused", "VehicleOutOfReach", "VehicleUnknown"]


class VehicleUnknown(CallerError):
    """No vehicle of that name hangs on this box."""

    def __init__(self, vehicle_id: str, known: list[str]) -> None:
        names = f"there are {', '.join(known)}" if known else "there are none: see [[vehicles]] in the settings"
        super().__init__(f"no vehicle {vehicle_id[:80]!r} here; {names}")


class NotStopped(CallerError):
    """There is nothing to release."""

    def __init__(self, vehicle_id: str) -> None:
        super().__init__(f"{vehicle_id} is not stopped, so there is nothing to release")


class ReleaseRefused(CallerError):
    """The vehicle, or a later stop, did not let the release happen."""

    def __init__(self, vehicle_id: str, why: str) -> None:
        super().__init__(f"{vehicle_id} stays stopped: {why}")


class NothingToResolve(CallerError):
    """The action's outcome is not unknown, so nobody has to say it."""

    def __init__(self, vehicle_id: str, action_id: str, open_ids: list[str]) -> None:
        waiting = f"it waits for a word on {', '.join(open_ids)}" if open_ids else "it waits for no word on any action"
        super().__init__(f"{vehicle_id} does not ask what became of action {action_id[:128]!r}; {waiting}")


class NothingToForget(CallerError):
    """The vehicle's mission can be read, so it is served."""

    def __init__(self, vehicle_id: str) -> None:
        super().__init__(
            f"the mission of {vehicle_id} can be read, so nothing is forgotten: have fleet control cancel its order, "
            f"or say what became of an action (storeforward agv resolve {vehicle_id} ACTION done)"
        )


class VehicleOutOfReach(EnvironmentFault):
    """The serial line to the vehicle is not up."""

    def __init__(self, vehicle_id: str, why: str) -> None:
        super().__init__(f"{vehicle_id} is out of reach: {why}")
