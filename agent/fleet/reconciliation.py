"""What became of the commands that were open when a link broke: asked of the vehicle where it can know. No I/O."""

from collections.abc import Collection

from agent.fleet.commands import LinkReport, Outcome
from agent.fleet.vehicle_state import EmergencyStop

__all__ = ["Reconciliation"]


class Reconciliation:
    """One opening's questions; ask about `questions`, and take the report once it is `complete`.

    A vehicle that has started anew has forgotten: then nothing is asked and every outcome is unknown. An id above the
    last one it received was never received; whether the others were done, only its own table tells (PROTOCOL.md, 6).
    """

    def __init__(self, open_ids: Collection[int], *, last_command: int, same_boot: bool) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self.questions: frozenset[int] = frozenset()
        """Ids that the vehicle has yet to answer for."""
        if same_boot:
            self.questions = frozenset(command_id for command_id in open_ids if command_id <= last_command)
            self._outcomes = dict.fromkeys(set(open_ids) - self.questions, Outcome.NEVER_RECEIVED)

    @property
    def complete(self) -> bool:
        """Whether every question is answered."""
        return not self.questions

    def answered(self, command_id: int, outcome: Outcome) -> None:
        """An answer, or a result that came by itself meanwhile: the newest counts."""
        if command_id in self.questions or command_id in self._outcomes:
            self._outcomes[command_id] = outcome
            self.questions -= {command_id}

    def report(self, stop: EmergencyStop) -> LinkReport:
        """What the mission goes on with."""
        assert self.complete
        return LinkReport(self._outcomes, stop)
