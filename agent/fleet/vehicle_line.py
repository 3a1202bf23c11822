"""The serial side of one vehicle: what the bridge reports becomes inputs of the mission, its commands go to the bridge.

After each opening the vehicle is first asked what became of the commands that were open; the mission commands again
when that is known. A stop goes straight to the bridge and is recorded afterwards.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import firmware_bridge as bridge
from agent.clock import Clock
from agent.event_model import EventData
from agent.event_types import AgvFault, AgvStop
from agent.fleet.bridge_words import boot_of, bridge_command, facts_of, is_motion, outcome_of, was_not_moved
from agent.fleet.commands import Command, Outcome
from agent.fleet.entries import StopLatched
from agent.fleet.mission import Step
from agent.fleet.mission_desk import MissionDesk
from agent.fleet.reconciliation import Reconciliation
from agent.fleet.refusals import NotStopped, ReleaseRefused, VehicleOutOfReach
from agent.fleet.vehicle_events import event_key, event_text
from agent.fleet.vehicle_state import EmergencyStop, Facts
from agent.fleet.vehicle_status import LineState, LineStatus
from agent.log_lines import log_event
from agent.settings import VehicleSettings

__all__ = ["VehicleLine"]

MOTION_TTL_S: Final = 2.0  # from the decision to the vehicle's beginning: nothing moves on an old thought
RELEASE_TIMEOUT_S: Final = 3.0  # the bridge gives up after 0.5 s; the rest is for a busy machine
VEHICLE: Final = "vehicle"  # who stops it when no person did
FAULTS: Final = {fault: str(fault.name).lower() for fault in bridge.Faults}

_log = logging.getLogger(__name__)


class VehicleLine:
    """Reads and writes one bridge for one mission. All methods belong to the event loop's thread."""

    def __init__(self, settings: VehicleSettings, line: bridge.Bridge, desk: MissionDesk, clock: Clock) -> None:
        self._settings = settings
        self._bridge = line
        self._desk = desk
        self._clock = clock
        self._state = LineState.DOWN
        self._reason = "not connected yet"
        self._identity: bridge.Identity | None = None
        self._losses = 0
        self._reconciliation: Reconciliation | None = None
        self._latch = 0
        self._told_latch = 0  # which one the vehicle named when the link opened
        self._cause = bridge.LatchCause.RELEASED
        self._stop_unanswered = 0
        self._release: asyncio.Future[str] | None = None
        self._faults = bridge.Faults(0)
        self.status: bridge.Status | None = None
        """The latest telemetry."""
        self.facts = Facts()

    @property
    def stopped(self) -> bool:
        """Whether it stands until a person releases it."""
        return bool(self._latch or self._stop_unanswered) or self._desk.state.stop is not EmergencyStop.NONE

    @property
    def stop_cause(self) -> str:
        """Why it is stopped, in a word."""
        if self._stop_unanswered or self._cause is bridge.LatchCause.STOP:
            return "person"
        return str(self._cause.name).lower() if self._latch else ""

    @property
    def stop_acknowledged(self) -> bool:
        """Whether the vehicle itself says that it is latched, and has answered the latest stop."""
        return bool(self._latch) and not self._stop_unanswered

    def line_status(self) -> LineStatus:
        """How the line stands."""
        identity = self._identity
        return LineStatus(
            port=self._settings.port,
            state=self._state,
            reason=self._reason,
            firmware=identity.firmware if identity else "",
            boot_count=identity.boot_count if identity else 0,
            losses=self._losses,
        )

    # --- people -------------------------------------------------------------------------------------------

    def stop(self, by: str, reason: str) -> None:
        """Stop the vehicle: at once, whatever the disk and the link do. The record follows."""
        self._stop_unanswered = self._bridge.stop(bridge.StopReason.PERSON)
        self._answer_release("it was stopped again")
        log_event(_log, logging.WARNING, "fleet.stopped", f"{self._settings.id} stopped by {by}", by=by)
        self._desk.take(
            lambda mission: mission.latch_stop(EmergencyStop.REMOTE), lambda _: [self._stop_fact("stopped", by, reason)]
        )

    async def release(self, by: str) -> None:
        """A person lets the vehicle move again; returns when it may.

        Raises:
            NotStopped: there is nothing to release.
            VehicleOutOfReach: the line is not up, or the vehicle did not answer.
            ReleaseRefused: it stays stopped, and why.
        """
        if self._state is not LineState.UP:
            raise VehicleOutOfReach(self._settings.id, self._reason)
        held = self._desk.state.held
        if not (self.stopped or held):
            raise NotStopped(self._settings.id)
        if self._stop_unanswered:
            raise ReleaseRefused(self._settings.id, "it has not acknowledged the stop yet; try again")
        if self._latch:
            await self._open_latch()
        if self._latch or self._stop_unanswered:
            raise ReleaseRefused(self._settings.id, "it was stopped again")
        log_event(_log, logging.WARNING, "fleet.released", f"{self._settings.id} released by {by}", by=by)
        if self.stopped:
            self._desk.take(lambda mission: mission.release_stop(by), lambda _: [self._stop_fact("released", by, "")])
        if held:
            self._desk.take(lambda mission: mission.retry(by))

    async def _open_latch(self) -> None:
        if self._release is not None:
            raise ReleaseRefused(self._settings.id, "another release is under way")
        self._release = asyncio.get_running_loop().create_future()
        self._bridge.release(self._latch)
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                why = await self._release
        except TimeoutError:
            raise VehicleOutOfReach(self._settings.id, "it does not answer the release") from None
        finally:
            self._release = None
        if why:
            raise ReleaseRefused(self._settings.id, why)

    # --- to the vehicle -----------------------------------------------------------------------------------

    def submit(self, command: Command, decided_s: float) -> None:
        """Hand a stored command to the bridge, unless it is no longer wanted or has grown too old."""
        command_id, state = command.command_id, self._desk.state
        if command_id not in state.open_command_ids:
            return  # what decided it was overtaken while it waited for the disk
        motion = is_motion(command)
        if motion and self.stopped:
            self._stopped_by_vehicle()
            self._never_begun(command_id)
            return
        left_s = decided_s + MOTION_TTL_S - self._clock.monotonic_s()
        if motion and left_s <= 0:
            self._outcome(command_id, Outcome.EXPIRED, "")
            return
        station = state.last_node.node_id if state.last_node else ""
        try:
            self._bridge.submit(
                bridge_command(command, station, round(left_s * 1000) if motion else bridge.NO_TIME_LIMIT)
            )
        except ValueError as error:
            self._outcome(command_id, Outcome.FAILED, str(error))
        except bridge.CommandRefused as refused:
            if refused.refusal in (bridge.Refusal.LINK_DOWN, bridge.Refusal.CLOSED):
                self._lose_link()
                self._never_begun(command_id)
            else:
                self._outcome(command_id, Outcome.EXPIRED, str(refused))

    # --- from the vehicle ---------------------------------------------------------------------------------

    def take_events(self) -> None:
        """Everything that the bridge has to say."""
        for event in self._bridge.events():
            self._take(event)

    def _take(self, event: bridge.Event) -> None:  # noqa: C901 - one table, a line an event
        match event:
            case bridge.LinkUp(identity=identity):
                self._opened(identity)
            case bridge.LinkDown(why=why):
                self._broke(LineState.DOWN, why)
            case bridge.LinkRefused(why=why):
                self._broke(LineState.REFUSED, why)
            case bridge.PortLost(why=why):
                self._broke(LineState.DOWN, why)
            case bridge.Result():
                self._result(event)
            case bridge.NotSent(command_id=command_id, why=why):
                self._not_sent(command_id, why)
            case bridge.Status():
                self._observe(event)
            case bridge.Latched(latch=latch, cause=cause):
                self._latched(latch, cause)
            case bridge.Released():
                self._released()
            case bridge.ReleaseFailed(why=why):
                self._answer_release(why)
            case bridge.StopAcknowledged(stop=stop) if stop == self._stop_unanswered:
                self._stop_unanswered = 0
            case bridge.Notice(text=text):
                log_event(_log, logging.INFO, "fleet.notice", f"{self._settings.id} says: {text}")

    def _opened(self, identity: bridge.Identity) -> None:
        same_boot = self._desk.boot == boot_of(identity)
        open_ids = self._desk.state.open_command_ids
        self._lose_link()
        self._identity = identity
        self._become(LineState.UP, "")
        self._told_latch = identity.latch
        self._latched(identity.latch, identity.latch_cause)
        self._reconciliation = Reconciliation(open_ids, last_command=identity.last_command, same_boot=same_boot)
        self._desk.number_above(identity.last_command, self.facts)
        for number, about in enumerate(sorted(self._reconciliation.questions)):
            query_id = self._desk.state.next_command_id + number  # not used up: a vehicle keeps no id of a question
            with suppress(bridge.CommandRefused):  # the link is down again, and the next opening asks anew
                self._bridge.submit(bridge.Query(command_id=query_id, ttl_ms=bridge.NO_TIME_LIMIT, about=about))
        self._go_on()

    def _go_on(self) -> None:
        """The mission may command again, once the vehicle has answered for what was open."""
        if self._reconciliation is None or not self._reconciliation.complete:
            return
        assert self._identity, "asked only of a vehicle that said who it is"
        self._desk.begin_boot(boot_of(self._identity))
        report = self._reconciliation.report(EmergencyStop.REMOTE if self._latch else EmergencyStop.NONE)
        self._reconciliation = None
        self._desk.take(lambda mission: mission.link_up(report), self._stop_facts)

    def _broke(self, state: LineState, why: str) -> None:
        if self._state is LineState.UP:
            self._losses += 1
        self._become(state, why)
        self._reconciliation = None
        self._answer_release(f"the line broke: {why}")
        self._lose_link()

    def _lose_link(self) -> None:
        if self._desk.mission.linked:
            self._desk.take(lambda mission: mission.link_lost())

    def _result(self, result: bridge.Result) -> None:
        outcome = outcome_of(result)
        if was_not_moved(result):
            outcome = Outcome.NEVER_RECEIVED
            awaited = result.command_id in self._desk.state.open_command_ids  # else that stop may be over by now
            if awaited and result.reason is not bridge.Reason.STALE:
                self._stopped_by_vehicle()
        if self._reconciliation:
            self._reconciliation.answered(result.command_id, outcome)
            self._go_on()
        elif outcome is not Outcome.RUNNING:
            reason = str(result.reason.name).lower() if result.reason is not bridge.Reason.NONE else ""
            self._outcome(result.command_id, outcome, reason)

    def _not_sent(self, command_id: int, why: bridge.NotSentReason) -> None:
        if why is bridge.NotSentReason.EXPIRED:
            self._outcome(command_id, Outcome.EXPIRED, "")
        else:  # the LinkDown that it goes with came before it, and by now the link may be up again
            self._never_begun(command_id)

    def _never_begun(self, command_id: int) -> None:
        """It was certainly not done, and will not be: its work may be commanded anew."""
        self._outcome(command_id, Outcome.NEVER_RECEIVED, "")

    def _outcome(self, command_id: int, outcome: Outcome, reason: str) -> None:
        self._desk.take(lambda mission: mission.command_result(command_id, outcome, reason))

    def _observe(self, status: bridge.Status) -> None:
        self.status = status
        self.facts = facts_of(status, self._settings.map_id, self._desk.state.load)
        changed = status.faults ^ self._faults
        self._faults = status.faults
        facts = [self._fault_fact(fault, name) for fault, name in FAULTS.items() if fault in changed]
        self._desk.take(lambda mission: mission.observe(self.facts), lambda _: facts)

    # --- stops --------------------------------------------------------------------------------------------

    def _latched(self, latch: int, cause: bridge.LatchCause) -> None:
        if cause is bridge.LatchCause.RELEASED:
            self._latch, self._cause = 0, cause
            return
        if cause is bridge.LatchCause.BOOT and self._state is LineState.UP and latch != self._told_latch:
            self._broke(LineState.DOWN, "the vehicle's controller has started anew")  # the bridge opens the link again
        self._latch, self._cause = latch, cause
        self._answer_release("it was stopped again")
        if self._reconciliation is None and self._desk.mission.linked:  # else the report of the opening says it
            self._stopped_by_vehicle()

    def _stopped_by_vehicle(self) -> None:
        if self._desk.state.stop is EmergencyStop.NONE:
            self._desk.take(lambda mission: mission.latch_stop(EmergencyStop.REMOTE), self._stop_facts)

    def _released(self) -> None:
        self._latch, self._cause = 0, bridge.LatchCause.RELEASED
        self._answer_release("")

    def _answer_release(self, why: str) -> None:
        if self._release and not self._release.done():
            self._release.set_result(why)

    # --- facts --------------------------------------------------------------------------------------------

    def _stop_facts(self, step: Step) -> Iterable[EventData]:
        """The event of a stop that no person asked for here."""
        if any(isinstance(entry, StopLatched) for entry in step.entries):
            yield self._stop_fact("stopped", VEHICLE, self.stop_cause)

    def _stop_fact(self, action: str, by: str, reason: str) -> AgvStop:
        return AgvStop.model_validate(
            {
                "vehicle_id": self._settings.id,
                "action": action,
                "requested_by": event_key(by),
                "reason": event_text(reason),
            }
        )

    def _fault_fact(self, fault: bridge.Faults, name: str) -> AgvFault:
        return AgvFault(vehicle_id=self._settings.id, fault=name, level="fatal", active=fault in self._faults)

    def _become(self, state: LineState, reason: str) -> None:
        if (state, reason) != (self._state, self._reason):
            level = logging.INFO if state is LineState.UP else logging.WARNING
            text = f"line to {self._settings.id} {state}: {reason or self._settings.port}"
            log_event(_log, level, "fleet.line", text, vehicle=self._settings.id, state=state)
        self._state, self._reason = state, reason
