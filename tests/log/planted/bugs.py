"""Bugs that a log like ours has had elsewhere, as small patches, each with the cheapest checker that must see it."""

from typing import Final

from tests.planted.bug import Bug, Patch

__all__ = ["BUGS"]

POWER_CUT: Final = "tests/log/power_cut/test_power_cut.py::test_s1_every_subset_of_what_a_short_life_had_not_synced"
SWEEP: Final = "tests/log/faults/test_sweep.py::test_s3_s4_a_call_that_fails_costs_no_acknowledged_event_and_is_told"
MODEL: Final = "tests/log/test_model.py"

BUGS: Final = (
    Bug(
        "answers before COMMIT",
        POWER_CUT,
        (
            Patch("agent.log.store", '        connection.execute("COMMIT")\n', ""),
            Patch(
                "agent.log.store",
                '        connection.execute("BEGIN IMMEDIATE")\n',
                "        if connection.in_transaction:\n"
                '            connection.execute("COMMIT")\n'
                '        connection.execute("BEGIN IMMEDIATE")\n',
            ),
        ),
    ),
    Bug(
        "synchronous NORMAL instead of FULL",
        POWER_CUT,
        (Patch("agent.log.schema", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"),),
    ),
    Bug(
        "what was recovered is not made durable",
        POWER_CUT,
        (
            Patch(
                "agent.log.schema",
                "        if not frames.damage_behind(_make_durable(connection)):\n",
                "        if True:\n",
            ),
        ),
    ),
    Bug(
        "ENOSPC is swallowed",
        f"{SWEEP}[W--wal-ENOSPC-150-StorageFull]",
        (
            Patch(
                "agent.log.store",
                "        if isinstance(fault, StorageFull):\n            if self._let",
                "        if isinstance(fault, StorageFull):\n"
                "            return [[] if isinstance(job, Append) else None for job in jobs]\n"
                "        if isinstance(fault, StorageFull):\n            if self._let",
            ),
        ),
    ),
    Bug(
        "the newest event may be deleted, and its sequence is given again",
        "tests/log/test_retention.py",
        (Patch("agent.log.group", " AND place < (SELECT max(place) FROM {table})", ""),),
    ),
    Bug(
        "an event is known by its id alone",
        MODEL,
        (Patch("agent.log.identities", 'f"{source}\\0{event_id}"', 'f"{event_id}"'),),
    ),
    Bug(
        "the queue has no limit",
        "tests/log/test_writer.py::test_a_full_queue_refuses_more_events_and_takes_them_later",
        (Patch("agent.log.writer", "if events and self._queued_events and", "if False and"),),
    ),
    Bug(
        "the checksum is not verified",
        "tests/log/faults/test_damage.py::test_s7_a_flipped_bit_is_never_handed_out",
        (
            Patch(
                "agent.log.reading.reader", "row_checksum(place_key, event_id, body) == crc", "isinstance(body, bytes)"
            ),
        ),
    ),
    Bug(
        "a reader remembers what was deleted since",
        MODEL,
        (
            Patch(
                "agent.log.reading.reader",
                "        found: list[StoredEvent] = []\n        after = self._behind_damage(stream, after)\n",
                "        memory = self.__dict__.setdefault('memory', {})\n"
                "        if memory.get((stream, after)):\n"
                "            return list(memory[stream, after])\n"
                "        found: list[StoredEvent] = memory.setdefault((stream, after), [])\n",
            ),
        ),
    ),
    Bug(
        "the tombstone is written outside the delete's transaction",
        "tests/upkeep/test_room_keeper.py::test_a_tombstone_and_its_delete_are_one_transaction",
        (
            Patch(
                "agent.upkeep.room_keeper",
                "await self._log.append([draft], also=[Shed(",
                "await self._log.append([draft])\n        await self._log.append([], also=[Shed(",
            ),
        ),
    ),
    Bug(
        "a sequence is given again after a restore",
        "tests/log/test_restore.py::test_no_sequence_is_given_twice_as_the_ledger_sees_it",
        (
            Patch(
                "agent.log.copies.restore",
                '            (answer,) = store.commit([StartEpoch(epoch, "restored", now_ms, number)])\n',
                "            answer = None\n",
            ),
        ),
    ),
    Bug(
        "retention reckons in seconds where times are in milliseconds",
        MODEL,
        (Patch("agent.log.event_log", "Prune(_milliseconds(before),", "Prune(int(before.timestamp()),"),),
    ),
)
