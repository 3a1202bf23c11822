"""Requests to tills end once, in time, for the basket they were meant for; and every end becomes one event."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.clock import IdFactory, SystemClock, rfc3339, system_random
from agent.event_types import KioskTillRequest
from agent.events import EventDecoder, Origin
from agent.tills.baskets import Basket
from agent.tills.till_requests import (
    AlreadyAnswered,
    BasketMoved,
    RequestConflict,
    RequestState,
    RequestUnknown,
    TillRequest,
    TillRequests,
    TooManyRequests,
)
from agent.topics import DeviceName

TTL_S: Final = 10.0
WALL: Final = datetime(2026, 3, 5, 12, tzinfo=UTC)


def basket(till_id: str, basket_id: str = "b1", status: str = "open") -> Basket:
    return Basket.model_validate(
        {
            "till_id": till_id,
            "basket_id": basket_id,
            "version": 1,
            "items": (),
            "total": "0.00",
            "currency": "EUR",
            "customer_id": None,
            "status": status,
            "updated": "",
        }
    )


class Shop:
    """Till requests over baskets that a test sets, at a time that it moves."""

    def __init__(self, *, requests_max: int = 10_000) -> None:
        self.baskets: dict[str, Basket] = {"t1": basket("t1"), "t2": basket("t2")}
        self.ids = iter(f"made-{number}" for number in range(100_000))
        self.now_s = 100.0
        self.requests = TillRequests(
            ttl_s=TTL_S, new_id=lambda: next(self.ids), basket=self.baskets.get, requests_max=requests_max
        )

    def open(
        self, request_id: str | None = None, *, till: str = "t1", basket_id: str = "b1", sku: str = "milk"
    ) -> tuple[TillRequest, bool]:
        return self.requests.open(
            till, basket_id, "add_item", sku, "1", request_id=request_id, now_s=self.now_s, wall=WALL
        )

    def answer(
        self, request_id: str, outcome: str = "done", reason: str | None = None, *, till: str = "t1"
    ) -> TillRequest:
        assert outcome in ("done", "refused")
        return self.requests.answer(till, request_id, "done" if outcome == "done" else "refused", reason, self.now_s)


def test_a_new_request_is_pending_for_its_time_to_live() -> None:
    shop = Shop()
    request, new = shop.open()
    assert new
    assert (request.request_id, request.state) == ("made-0", RequestState.PENDING)
    assert request.expires_at == rfc3339(WALL + timedelta(seconds=TTL_S))
    assert shop.requests.next_end_s == shop.now_s + TTL_S
    assert shop.requests.pending("t1") == [request]
    assert shop.requests.pending("t2") == []


@pytest.mark.parametrize("now", [None, basket("t1", "b2"), basket("t1", "b1", "paid"), basket("t1", "b1", "voided")])
def test_a_request_for_another_basket_than_the_open_one_is_refused(now: Basket | None) -> None:
    shop = Shop()
    if now is None:
        del shop.baskets["t1"]
    else:
        shop.baskets["t1"] = now
    with pytest.raises(BasketMoved):
        shop.open()
    assert shop.requests.next_end_s is None


def test_the_same_id_asking_the_same_is_one_request_even_after_its_end() -> None:
    shop = Shop()
    first, _ = shop.open("r1")
    assert shop.open("r1") == (first, False)
    ended = shop.answer("r1")
    shop.baskets.clear()
    assert shop.open("r1") == (ended, False)


@pytest.mark.parametrize("other", [{"sku": "bread"}, {"till": "t2"}, {"basket_id": "b9"}])
def test_the_same_id_asking_something_else_is_a_conflict(other: dict[str, str]) -> None:
    shop = Shop()
    shop.open("r1")
    with pytest.raises(RequestConflict):
        shop.open("r1", **other)


def test_an_answer_ends_the_request_and_the_same_again_is_welcome() -> None:
    shop = Shop()
    shop.open("r1")
    ended = shop.answer("r1", "refused", "sold out")
    assert (ended.state, ended.reason) == (RequestState.REFUSED, "sold out")
    assert shop.answer("r1", "refused", "sold out") == ended
    assert shop.requests.pending("t1") == []
    assert shop.requests.unrecorded == (ended,)


@pytest.mark.parametrize(("outcome", "reason"), [("done", None), ("refused", "something else")])
def test_another_answer_after_the_first_is_refused(outcome: str, reason: str | None) -> None:
    shop = Shop()
    shop.open("r1")
    shop.answer("r1", "refused", "sold out")
    with pytest.raises(AlreadyAnswered) as raised:
        shop.answer("r1", outcome, reason)
    assert raised.value.request.reason == "sold out"


def test_an_answer_that_comes_too_late_finds_the_request_expired() -> None:
    shop = Shop()
    shop.open("r1")
    shop.now_s += TTL_S
    with pytest.raises(AlreadyAnswered):
        shop.answer("r1")
    assert shop.requests.get("t1", "r1").state is RequestState.EXPIRED
    assert [ended.reason for ended in shop.requests.unrecorded] == ["no answer within 10 s"]
    assert shop.requests.expire(shop.now_s) == []


def test_expiry_takes_only_what_is_over() -> None:
    shop = Shop()
    shop.open("r1")
    shop.now_s += 4
    shop.open("r2", till="t2")
    shop.now_s += 6
    assert [ended.request_id for ended in shop.requests.expire(shop.now_s)] == ["r1"]
    assert shop.requests.next_end_s == shop.now_s + 4


def test_an_unknown_request_is_said_to_be_unknown_also_at_another_till() -> None:
    shop = Shop()
    shop.open("r1")
    for till, request_id in (("t1", "r2"), ("t2", "r1")):
        with pytest.raises(RequestUnknown):
            shop.requests.get(till, request_id)
        with pytest.raises(RequestUnknown):
            shop.answer(request_id, till=till)


def test_a_till_that_comes_back_is_sent_what_it_has_not_seen() -> None:
    shop = Shop()
    for request_id in ("r1", "r2", "r3"):
        shop.open(request_id)
    assert [r.request_id for r in shop.requests.pending("t1", after="r1")] == ["r2", "r3"]
    shop.answer("r1")
    assert [r.request_id for r in shop.requests.pending("t1", after="r1")] == ["r2", "r3"]
    assert [r.request_id for r in shop.requests.pending("t1", after="of another run")] == ["r2", "r3"]


def test_a_request_for_a_basket_that_is_gone_is_not_sent_any_more() -> None:
    shop = Shop()
    shop.open("r1")
    shop.baskets["t1"] = basket("t1", "b2")
    assert shop.requests.pending("t1") == []
    assert shop.answer("r1").state is RequestState.DONE, "the till may have been quicker than its next scan"


def test_watchers_hear_new_requests_of_their_till() -> None:
    shop = Shop()
    heard: list[str] = []
    stop = shop.requests.watch("t1", lambda: heard.append("t1"))
    shop.open("r1")
    shop.open("r1")
    shop.open("r2", till="t2")
    stop()
    stop()
    shop.open("r3")
    assert heard == ["t1"]


def test_a_till_has_only_so_many_open_requests() -> None:
    shop = Shop()
    for _ in range(32):
        shop.open()
    with pytest.raises(TooManyRequests):
        shop.open()
    shop.open(till="t2")
    shop.answer("made-0")
    shop.open()


def test_no_new_requests_while_many_ends_wait_to_be_stored() -> None:
    shop = Shop()
    for _ in range(1_000):
        request, _ = shop.open()
        shop.answer(request.request_id)
    with pytest.raises(TooManyRequests):
        shop.open()
    shop.requests.recorded("made-0")
    shop.open()


def test_old_ended_requests_are_forgotten_and_open_ones_never() -> None:
    shop = Shop(requests_max=3)
    shop.open("open")
    for request_id in ("r1", "r2", "r3", "r4"):
        shop.open(request_id)
        shop.answer(request_id)
        shop.requests.recorded(request_id)
    assert shop.requests.get("t1", "open").state is RequestState.PENDING
    assert shop.requests.get("t1", "r4").state is RequestState.DONE
    with pytest.raises(RequestUnknown):
        shop.requests.get("t1", "r1")


def test_every_end_is_an_event_that_says_how() -> None:
    shop = Shop()
    shop.open("r1")
    event = shop.answer("r1", "refused", "sold out").event()
    assert event == KioskTillRequest(
        request_id="r1",
        till_id="t1",
        basket_id="b1",
        kind="add_item",
        sku="milk",
        quantity="1",
        outcome="refused",
        reason="sold out",
    )


def test_ended_requests_are_remembered_over_a_restart() -> None:
    before, after = Shop(), Shop()
    before.open("r1")
    ended = before.answer("r1", "refused", "sold out")
    clock = SystemClock()
    decoder = EventDecoder(Origin(DeviceName("s", "d")), wall=clock.wall, new_id=IdFactory(clock.wall, system_random()))
    draft = decoder.make(ended.event(), "agent")
    other = b'{"type":"dev.storeforward.kiosk.search.v1","time":"","data":{}}'
    broken = b'{"type":"dev.storeforward.kiosk.till_request.v1","time":"","data":{"outcome":"lost"}}'
    assert after.requests.restore([other, draft.opening + b"}", broken]) == 1
    found, new = after.open("r1")
    assert (found.state, found.reason, new) == (RequestState.REFUSED, "sold out", False)
    assert after.requests.unrecorded == ()
    assert after.answer("r1", "refused", "sold out") == found


class TillRequestHistories(RuleBasedStateMachine):
    """Any history of kiosks, tills, baskets and time; the model is a dict of states."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop()
        self.states: dict[str, RequestState] = {}
        self.ends_s: dict[str, float] = {}
        self.events: list[str] = []

    @rule(request_id=st.sampled_from(["r1", "r2", "r3", "r4"]), till=st.sampled_from(["t1", "t2"]))
    def ask(self, request_id: str, till: str) -> None:
        try:
            request, new = self.shop.open(f"{till}-{request_id}", till=till)
        except BasketMoved:
            assert self.shop.baskets[till].status != "open" or self.shop.baskets[till].basket_id != "b1"
            return
        assert new is (request.request_id not in self.states)
        if new:
            self.states[request.request_id] = RequestState.PENDING
            self.ends_s[request.request_id] = self.shop.now_s + TTL_S
        assert request.state is self.states[request.request_id]

    @precondition(lambda self: self.states)
    @rule(choice=st.integers(0, 7), done=st.booleans())
    def answer(self, choice: int, *, done: bool) -> None:
        request_id = sorted(self.states)[choice % len(self.states)]
        wanted = RequestState.DONE if done else RequestState.REFUSED
        before = self._state_now(request_id)
        answer = partial(self.shop.answer, request_id, wanted, None if done else "no", till=request_id[:2])
        if before in (RequestState.PENDING, wanted):
            assert answer().state is wanted
            self.states[request_id] = wanted
        else:
            with pytest.raises(AlreadyAnswered) as raised:
                answer()
            assert raised.value.request.state is before
            self.states[request_id] = before

    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.shop.now_s += seconds

    @rule()
    def expire(self) -> None:
        for ended in self.shop.requests.expire(self.shop.now_s):
            assert self.states[ended.request_id] is RequestState.PENDING
            self.states[ended.request_id] = RequestState.EXPIRED
        assert all(self._state_now(request_id) is state for request_id, state in self.states.items())

    @rule(till=st.sampled_from(["t1", "t2"]), basket_id=st.sampled_from(["b1", "b2"]), paid=st.booleans())
    def move_basket(self, till: str, basket_id: str, *, paid: bool) -> None:
        self.shop.baskets[till] = basket(till, basket_id, "paid" if paid else "open")

    @rule()
    def store(self) -> None:
        for ended in self.shop.requests.unrecorded:
            self.events.append(ended.event().request_id)
            self.shop.requests.recorded(ended.request_id)

    @invariant()
    def every_end_is_stored_once(self) -> None:
        waiting = [ended.request_id for ended in self.shop.requests.unrecorded]
        told = self.events + waiting
        assert sorted(told) == sorted(set(told))
        assert {key for key in self.states if self._held(key) is not RequestState.PENDING} == set(told)

    @invariant()
    def only_open_ones_for_the_open_basket_are_sent(self) -> None:
        for till, current in self.shop.baskets.items():
            for request in self.shop.requests.pending(till):
                assert self._held(request.request_id) is RequestState.PENDING
                assert request.basket_id == current.basket_id

    def _held(self, request_id: str) -> RequestState:
        return self.shop.requests.get(request_id[:2], request_id).state

    def _state_now(self, request_id: str) -> RequestState:
        state = self.states[request_id]
        over = state is RequestState.PENDING and self.shop.now_s >= self.ends_s[request_id]
        return RequestState.EXPIRED if over else state


TestTillRequestHistories = TillRequestHistories.TestCase
TestTillRequestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
