"""Bugs that links like ours have had elsewhere, as small patches, each with the cheapest test that must see it."""

from typing import Final

from tests.planted.bug import Bug, Patch

__all__ = ["BUGS", "SLOW_BUGS"]

OUTBOX: Final = "tests/link/test_outbox.py"
SILENCE: Final = "tests/link/test_line_faults.py::test_a_connection_that_falls_silent_is_left_and_nothing_is_lost"

BUGS: Final = (
    Bug(
        "the cursor moves before the PUBACK",
        f"{OUTBOX}::test_the_cursor_moves_only_over_a_run_of_acknowledged_publishes",
        (
            Patch(
                "agent.link.outbox",
                "        self.tally.redelivered_events += publish.repeated\n",
                "        self.tally.redelivered_events += publish.repeated\n"
                "        if segment and lane.acknowledged(segment):\n"
                "            self._advances[lane.stream] = lane.cursor\n",
            ),
        ),
    ),
    Bug(
        "a reason code is ignored",
        f"{OUTBOX}::test_a_refused_batch_is_tried_again_after_a_back_off_and_nothing_new_overtakes_it",
        (Patch("agent.link.outbox", "if code in DELIVERED", "if code >= 0 or code in DELIVERED"),),
    ),
    Bug(
        "PUBACKs are taken to come in order",
        f"{OUTBOX}::test_the_cursor_moves_only_over_a_run_of_acknowledged_publishes",
        (
            Patch(
                "agent.link.outbox",
                "flight = self._flights.pop(mid, None)",
                "flight = self._flights.pop(next(iter(self._flights), mid), None)",
            ),
        ),
    ),
    Bug(
        "what is in flight has no limit",
        f"{OUTBOX}::test_no_more_publishes_are_in_flight_than_the_window",
        (
            Patch(
                "agent.link.outbox",
                "return len(self._flights) < self._window",
                "return len(self._flights) < 10_000 or self._window",
            ),
        ),
    ),
    Bug(
        "back-off without jitter",
        "tests/link/test_backoff.py::test_waits_of_many_devices_spread_over_the_whole_ceiling",
        (Patch("agent.link.backoff", "self._random.uniform(0.0, self.ceiling_s)", "self.ceiling_s"),),
    ),
    Bug(
        "poison loop: a batch over which the broker breaks the connection is sent again as it is, for ever",
        "tests/link/test_parking.py::"
        "test_an_event_over_which_the_broker_breaks_the_connection_is_found_and_parked_and_all_else_arrives",
        (Patch("agent.link.outbox", "            if suspicious:\n", "            if False:\n"),),
    ),
    Bug(
        "what was in flight when the connection ended is not sent again",
        f"{OUTBOX}::test_after_a_broken_connection_only_what_was_not_acknowledged_goes_again",
        (Patch("agent.link.outbox", "            lane.disconnected()\n", "            pass\n"),),
    ),
)

# What shows these is that nothing happens: a deadline has to pass.
SLOW_BUGS: Final = (
    Bug(
        "nobody minds that no PUBACK comes",
        f"{SILENCE}[3-5-silence-mosquitto]",
        (Patch("agent.link.session", "if outbox.stalled(now_s):", "if False:"),),
    ),
    Bug(
        "nobody minds that no CONNACK comes",
        f"{SILENCE}[1-1-silence-mosquitto]",
        (
            Patch(
                "agent.link.connection", "async with asyncio.timeout_at(until_s):", "async with asyncio.timeout(None):"
            ),
        ),
    ),
    Bug(
        "the keep-alive is not kept up",
        "tests/link/test_connection.py::test_a_silent_line_ends_the_connection_after_the_keep_alive",
        (Patch("agent.link.connection", "self._guard(self._client.loop_misc)", "pass"),),
    ),
    Bug(
        "only the first connection subscribes",
        "tests/link/test_line_faults.py::test_a_broker_that_forgot_its_sessions_is_subscribed_to_again[mosquitto]",
        (
            Patch(
                "agent.link.session",
                "in self._parts.inbox.filters():",
                "in () if self._parts.outbox.tally.published_events else self._parts.inbox.filters():",
            ),
        ),
    ),
)
