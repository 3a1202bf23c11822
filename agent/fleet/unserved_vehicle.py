"""A vehicle whose mission cannot be read: its line stays closed, so it stands, and everybody who asks hears why.

Without the journal nobody knows what it was doing, so nothing may be commanded. Fleet control sees it online with a
FATAL error, in mode SERVICE, in which it takes no orders. Nothing is written: what is damaged stays as it is, until a
person has it set aside (`forgetting`).
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import Clock
from agent.events import EventDecoder
from agent.fleet.codec import decode_instant_actions, decode_order, encode_state
from agent.fleet.configured import identity_of, type_of
from agent.fleet.errors import ErrorLevel, ErrorType, MessageRefused, VehicleError
from agent.fleet.factsheet import encode_factsheet
from agent.fleet.forgetting import forget_mission
from agent.fleet.header import HeaderCounters
from agent.fleet.mission import Mission
from agent.fleet.refusals import NothingToResolve, ReleaseRefused
from agent.fleet.topics import FleetTopic
from agent.fleet.vehicle_connection import VehicleConnection
from agent.fleet.vehicle_state import Facts, OperatingMode
from agent.fleet.vehicle_status import FleetControlStatus, LineState, LineStatus, VehicleStatus
from agent.log import EventLog
from agent.log_lines import log_event
from agent.settings import LinkSettings, VehicleSettings

__all__ = ["UnservedVehicle"]

STATE_INTERVAL_S_MIN: Final = 0.05
"""Between two states, however many messages come."""
WHAT_TO_DO: Final = (
    "look at the vehicle and its load, then let it begin anew, which keeps a copy: storeforward agv forget {id}; or "
    "restart the agent with the version that wrote the journal, or with the log from a backup"
)

_log = logging.getLogger(__name__)


class UnservedVehicle:
    """Stands for a vehicle in the fleet as long as its mission cannot be read."""

    def __init__(
        self,
        settings: VehicleSettings,
        link: LinkSettings,
        log: EventLog,
        decoder: EventDecoder,
        why: str,
        *,
        clock: Clock,
        random: Random,
    ) -> None:
        self.id: Final = settings.id
        self._log = log
        self._decoder = decoder
        self._what_to_do = WHAT_TO_DO.format(id=settings.id)
        self._forgotten = asyncio.Event()
        self._settings = settings
        self._why = f"not served, as its mission cannot be read: {why}"
        self._clock = clock
        self._identity = identity_of(settings)
        self._type = type_of(settings)
        self._counters = HeaderCounters(self._identity)
        self._due = asyncio.Event()
        self._mission = Mission.new(self._type, first_command_id=1)  # never linked, so it never commands
        self._mission.observe(Facts(mode=OperatingMode.SERVICE))
        error = VehicleError(ErrorType.MISSION_UNREADABLE, ErrorLevel.FATAL, (), self._why, self._what_to_do)
        self._mission.refuse(error)
        self._connection = VehicleConnection(
            self._counters, link, decoder.origin.name, clock=clock, random=random, greet=self._greet, heard=self._heard
        )

    async def run(self) -> None:
        """Tells fleet control until cancelled, or until its mission was forgotten."""
        async with asyncio.TaskGroup() as tasks:
            telling = [
                tasks.create_task(self._connection.run(), name=f"{self.id} fleet control"),
                tasks.create_task(self._keep_telling(), name=f"{self.id} state"),
            ]
            await self._forgotten.wait()
            for task in telling:
                task.cancel()

    def stop(self, by: str, reason: str) -> None:
        """It stands already: without a line it has no lease to move."""
        text = f"{self.id} stopped by {by}; it stood, as it is not served"
        log_event(_log, logging.WARNING, "fleet.stopped", text, by=by, reason=reason)

    async def release(self, by: str) -> None:
        """Nobody can.

        Raises:
            ReleaseRefused: always, with what to do.
        """
        del by
        raise ReleaseRefused(self.id, f"it is {self._why}; {self._what_to_do}")

    def resolve(self, action_id: str, *, done: bool, by: str) -> None:
        """Nobody knows which actions it had.

        Raises:
            NothingToResolve: always.
        """
        del done, by
        raise NothingToResolve(self.id, action_id, [])

    async def forget(self, by: str) -> Path:
        """A person has looked, and lets it begin anew; where the copy of what it had is.

        Raises:
            NothingToForget: its mission can be read by now.
            EnvironmentFault: the copy or the new beginning cannot be stored.
        """
        forgetting = await asyncio.to_thread(forget_mission, self._log, self.id, by, self._decoder, self._clock.wall)
        await self._log.append(forgetting.drafts, forgetting.also)
        text = f"the mission of {self.id} was forgotten by {by}; its journal is kept in {forgetting.kept_in}"
        log_event(_log, logging.WARNING, "fleet.forgotten", text, by=by)
        self._forgotten.set()
        return forgetting.kept_in

    def status(self) -> VehicleStatus:
        """How it is now."""
        connection = self._connection.status
        return VehicleStatus(
            id=self.id,
            manufacturer=self._settings.manufacturer,
            serial_number=self._settings.serial_number,
            vda5050=self._settings.vda5050,
            line=LineStatus(
                port=self._settings.port, state=LineState.DOWN, reason=self._why, firmware="", boot_count=0, losses=0
            ),
            fleet_control=FleetControlStatus(
                online=connection.online,
                since=connection.since,
                reason=connection.reason,
                topics=self._settings.topic_levels,
                messages_dropped=0,
            ),
            stopped=True,
            stop_cause="",
            stop_acknowledged=False,
            driving=False,
            paused=False,
            order_id="",
            order_update_id=0,
            last_node_id="",
            nodes_left=0,
            actions=[],
            position=None,
            charge_percent=None,
            loaded=None,
            picks=0,
            drops=0,
            stalls=0,
            stall_ms_max=0,
            problems=[f"{self._why}; {self._what_to_do}"],
        )

    # --- fleet control ------------------------------------------------------------------------------------

    async def _keep_telling(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.state_interval_s):
                    await self._due.wait()
            self._due.clear()
            self._publish_state()
            await asyncio.sleep(STATE_INTERVAL_S_MIN)

    def _greet(self) -> None:
        self._publish_state()
        self._publish_factsheet()

    def _publish_state(self) -> None:
        if self._connection.status.online:
            message = encode_state(self._counters, self._mission.vehicle_state(), self._clock.wall())
            self._connection.publish(FleetTopic.STATE, message)

    def _publish_factsheet(self) -> None:
        self._connection.publish(FleetTopic.FACTSHEET, encode_factsheet(self._counters, self._type, self._clock.wall()))

    def _heard(self, topic: FleetTopic, payload: bytes) -> None:
        bytes_max = self._type.limits.message_bytes
        try:
            if topic is FleetTopic.ORDER:
                header, order = decode_order(payload, self._identity, bytes_max=bytes_max)
                step = self._mission.receive_order(order, header.header_id)
            else:
                header, actions = decode_instant_actions(payload, self._identity, bytes_max=bytes_max)
                step = self._mission.receive_instant_actions(actions, header.header_id)
        except MessageRefused as refused:
            step = self._mission.refuse(refused.error)
        assert not step.commands, "a mission without a link commands nothing"
        if step.factsheet_requested:
            self._publish_factsheet()
        self._due.set()
