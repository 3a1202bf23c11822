"""One vehicle of this box: its mission between fleet control's broker and its serial line, and its one loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import firmware_bridge as bridge
from agent.clock import Clock
from agent.events import EventDecoder
from agent.fleet.codec import decode_instant_actions, decode_order, encode_state, encode_visualization
from agent.fleet.configured import identity_of, type_of
from agent.fleet.errors import ErrorLevel, MessageRefused
from agent.fleet.factsheet import encode_factsheet
from agent.fleet.header import HeaderCounters
from agent.fleet.journal import MissionJournal
from agent.fleet.mission_desk import MissionDesk
from agent.fleet.mission_loop import MissionLoop
from agent.fleet.refusals import NothingToForget, NothingToResolve
from agent.fleet.topics import FleetTopic
from agent.fleet.vehicle_connection import VehicleConnection
from agent.fleet.vehicle_events import order_rejected
from agent.fleet.vehicle_line import VehicleLine
from agent.fleet.vehicle_state import VehicleState
from agent.fleet.vehicle_status import ActionReport, FleetControlStatus, LineState, PositionStatus, VehicleStatus
from agent.log import EventLog
from agent.log_lines import log_event
from agent.settings import LinkSettings, VehicleSettings

__all__ = ["Vehicle"]

MESSAGES_MAX: Final = 50
"""Messages of fleet control that wait for the loop; more are dropped, as QoS 0 allows, and counted."""
MESSAGES_PER_ROUND_MAX: Final = 5
WAITING_MAX: Final = 200
"""Inputs that wait for the disk; beyond them no message of fleet control is taken."""
STATE_INTERVAL_S_MIN: Final = 0.05
"""Between two states: what happens together is told together."""

_log = logging.getLogger(__name__)


def _open_bridge(settings: VehicleSettings, socket: Path) -> bridge.Bridge:
    """The line as the settings want it: served here, or by the bridge's own process at `socket`."""
    if settings.bridge == "process":
        return bridge.SocketBridge(socket, vehicle=settings.id)
    return bridge.SerialBridge(settings.port, baud=settings.baud)


class Vehicle:
    """Serves one vehicle while `run` runs; `stop`, `release` and `resolve` are for people."""

    def __init__(
        self,
        settings: VehicleSettings,
        link: LinkSettings,
        log: EventLog,
        decoder: EventDecoder,
        *,
        clock: Clock,
        random: Random,
        bridge_socket: Path,
    ) -> None:
        """Restores the mission and opens the serial line.

        Raises:
            LogUnreadable: the mission's journal is damaged.
        """
        self.id: Final = settings.id
        self.messages_dropped = 0
        self._settings = settings
        self._clock = clock
        self._type = type_of(settings)
        self._identity = identity_of(settings)
        self._counters = HeaderCounters(self._identity)
        self._messages: deque[tuple[FleetTopic, bytes]] = deque()
        self._wake = asyncio.Event()
        self._journal = MissionJournal(log, settings.id, stored=self._wake.set)
        self._desk = MissionDesk(settings.id, self._type, self._journal, decoder, clock)
        self._told = self._desk.mission.vehicle_state()
        self._told_s = self._shown_s = clock.monotonic_s()
        self._state_due = False
        self._connection = VehicleConnection(
            self._counters, link, decoder.origin.name, clock=clock, random=random, greet=self._greet, heard=self._heard
        )
        self._bridge = _open_bridge(settings, bridge_socket)
        self._line = VehicleLine(settings, self._bridge, self._desk, clock)
        self._loop = MissionLoop(settings.id, self._wake, self._bridge.feed, self._round, clock)

    async def run(self) -> None:
        """Serves until cancelled; then tells fleet control, and lets go of the line, which stops the vehicle."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._bridge.fileno(), self._wake.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._loop.run(), name=f"{self.id} mission")
                tasks.create_task(self._journal.run(), name=f"{self.id} journal")
                tasks.create_task(self._connection.run(), name=f"{self.id} fleet control")
        finally:
            loop.remove_reader(self._bridge.fileno())
            self.close()

    def close(self) -> None:
        """Let go of the serial line; may be called again."""
        self._bridge.close()

    # --- people -------------------------------------------------------------------------------------------

    def stop(self, by: str, reason: str) -> None:
        """Stop it now; waits for nothing."""
        self._line.stop(by, reason)
        self._wake.set()

    async def release(self, by: str) -> None:
        """A person lets it move again, or try a failed drive again.

        Raises:
            NotStopped, VehicleOutOfReach, ReleaseRefused: as their names say.
        """
        await self._line.release(by)
        self._wake.set()

    def resolve(self, action_id: str, *, done: bool, by: str) -> None:
        """A person says what became of an action whose outcome is unknown.

        Raises:
            NothingToResolve: it is not.
        """
        actions = self._desk.state.actions
        if action_id not in actions or not actions[action_id].unknown:
            unknown = [each for each, tracked in actions.items() if tracked.unknown]
            raise NothingToResolve(self.id, action_id, unknown)
        log_event(_log, logging.WARNING, "fleet.resolved", f"{self.id}: {by} says of {action_id}: done={done}", by=by)
        self._desk.take(lambda mission: mission.resolve(action_id, done=done, by=by))
        self._wake.set()

    async def forget(self, by: str) -> Path:
        """Its mission can be read.

        Raises:
            NothingToForget: always.
        """
        del by
        raise NothingToForget(self.id)

    def status(self) -> VehicleStatus:
        """How it is now."""
        state, line, told = self._desk.state, self._line, self._desk.mission.vehicle_state()
        connection, pose = self._connection.status, self._line.facts.pose
        return VehicleStatus(
            id=self.id,
            manufacturer=self._settings.manufacturer,
            serial_number=self._settings.serial_number,
            vda5050=self._settings.vda5050,
            line=line.line_status(),
            fleet_control=FleetControlStatus(
                online=connection.online,
                since=connection.since,
                reason=connection.reason,
                topics=self._settings.topic_levels,
                messages_dropped=self.messages_dropped,
            ),
            stopped=line.stopped,
            stop_cause=line.stop_cause,
            stop_acknowledged=line.stop_acknowledged,
            driving=line.facts.driving,
            paused=state.paused,
            order_id=state.order_id,
            order_update_id=state.order_update_id,
            last_node_id=told.last_node_id,
            nodes_left=len(state.nodes),
            actions=[
                ActionReport(
                    action_id=action_id,
                    action_type=each.action.action_type,
                    status=state.status_of(each),
                    result=each.result,
                    unknown=each.unknown,
                )
                for action_id, each in state.actions.items()
            ],
            position=PositionStatus(x=pose.x, y=pose.y, theta=pose.theta, map_id=pose.map_id) if pose else None,
            charge_percent=line.facts.battery.charge if line.status else None,
            loaded=bool(line.facts.loads) if line.status else None,
            picks=line.status.picks if line.status else 0,
            drops=line.status.drops if line.status else 0,
            stalls=self._loop.stalls,
            stall_ms_max=round(self._loop.stall_s_max * 1000),
            problems=[*self._problems(told)],
        )

    def _problems(self, told: VehicleState) -> Iterator[str]:
        line = self._line.line_status()
        if line.state is not LineState.UP:
            yield f"line: {line.reason}"
        if self._line.stopped:
            cause = f" ({self._line.stop_cause})" if self._line.stop_cause else ""
            yield f"stopped{cause}: storeforward agv release {self.id}"
        for action_id, tracked in self._desk.state.actions.items():
            if tracked.unknown:
                yield f"nobody knows what became of {action_id}: storeforward agv resolve {self.id} {action_id} done"
        if self._desk.state.held:
            yield f"a drive failed: clear the way, then storeforward agv release {self.id}"
        yield from (error.description for error in told.errors if error.level is ErrorLevel.FATAL)
        if self._journal.problem:
            yield f"nothing is commanded, as the log takes nothing: {self._journal.problem}"
        if self._connection.status.reason:
            yield f"fleet control: {self._connection.status.reason}"

    # --- the loop -----------------------------------------------------------------------------------------

    def _round(self) -> None:
        self._line.take_events()
        for _ in range(min(MESSAGES_PER_ROUND_MAX, len(self._messages))):
            if self._desk.waiting < WAITING_MAX:
                self._read(*self._messages.popleft())
        for decided in self._desk.stored():
            for command in decided.commands:
                self._line.submit(command, decided.at_s)
            self._told = decided.state
            self._state_due |= bool(decided.changed)
            if decided.factsheet_requested:
                self._publish_factsheet()
        self._tell()

    def _tell(self) -> None:
        now_s = self._clock.monotonic_s()
        since_s = now_s - self._told_s
        if since_s >= self._settings.state_interval_s or (self._state_due and since_s >= STATE_INTERVAL_S_MIN):
            self._publish_state(now_s)
        every_s = self._settings.visualization_interval_s
        if every_s and now_s - self._shown_s >= every_s:
            self._shown_s = now_s
            message = encode_visualization(self._counters, self._line.facts, self._clock.wall())
            self._connection.publish(FleetTopic.VISUALIZATION, message)

    def _publish_state(self, now_s: float) -> None:
        self._state_due = False
        self._told_s = now_s
        if not self._connection.status.online:
            return  # a header's number is used up by a message that is sent; a new connection begins with a state
        self._connection.publish(FleetTopic.STATE, encode_state(self._counters, self._told, self._clock.wall()))

    def _publish_factsheet(self) -> None:
        message = encode_factsheet(self._counters, self._type, self._clock.wall())
        self._connection.publish(FleetTopic.FACTSHEET, message)

    # --- fleet control ------------------------------------------------------------------------------------

    def _greet(self) -> None:
        self._publish_state(self._clock.monotonic_s())
        self._publish_factsheet()

    def _heard(self, topic: FleetTopic, payload: bytes) -> None:
        if len(self._messages) >= MESSAGES_MAX:
            self.messages_dropped += 1
            return
        self._messages.append((topic, payload))
        self._wake.set()

    def _read(self, topic: FleetTopic, payload: bytes) -> None:
        bytes_max = self._type.limits.message_bytes
        try:
            if topic is FleetTopic.ORDER:
                header, order = decode_order(payload, self._identity, bytes_max=bytes_max)
                self._desk.take(
                    lambda mission: mission.receive_order(order, header.header_id),
                    lambda step: order_rejected(self.id, order, step.verdict),
                )
            else:
                header, actions = decode_instant_actions(payload, self._identity, bytes_max=bytes_max)
                self._desk.take(lambda mission: mission.receive_instant_actions(actions, header.header_id))
        except MessageRefused as refused:
            error = refused.error
            self._desk.take(lambda mission: mission.refuse(error))
