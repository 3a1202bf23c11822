"""What holds for a kiosk after any history at all: random fingers, baskets, decisions, tills and outages."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from kiosk import inputs
from kiosk.session import next_post
from kiosk.state import POSTS_MAX, Agent, Post
from tests.kiosk.scenes import MORNING, PRODUCTS, Kiosk, basket, decision, status

SKUS = tuple(PRODUCTS)


@dataclass
class World:
    """A kiosk, and an agent and a till that remember what reached them."""

    kiosk: Kiosk = field(default_factory=Kiosk.new)
    version: int = 0
    basket_id: int = 0
    taken: dict[str, list[Post]] = field(default_factory=dict)

    def scan(self, lines: int) -> None:
        self.version += 1
        self.kiosk.take(inputs.BasketSeen(basket(self.version, lines % 5, f"b-{self.basket_id}")))

    def next_basket(self, _: int) -> None:
        self.basket_id += 1
        self.scan(1)

    def pay(self, _: int) -> None:
        self.version += 1
        self.kiosk.take(inputs.BasketSeen(basket(self.version, 2, f"b-{self.basket_id}", status="paid")))

    def decide(self, number: int) -> None:
        version = self.kiosk.state.asking or number
        chosen = [SKUS[(number + step) % len(SKUS)] for step in range(number % 8)]
        self.kiosk.take(inputs.DecisionSeen(version, decision(*chosen, decision_id=f"d-{self.version}-{number}")))

    def tap(self, number: int) -> None:
        slot = number % 4
        card = self.kiosk.state.slots[slot].card
        tapped = (inputs.AddTapped, inputs.NotNowTapped, inputs.BringTapped)[number // 4 % 3]
        self.kiosk.take(tapped(slot, card.sku if card else "101"))

    def undo(self, _: int) -> None:
        self.kiosk.take(inputs.UndoTapped())

    def outage(self, number: int) -> None:
        self.kiosk.take(inputs.AgentCameUp() if number % 2 else inputs.AgentWentDown(MORNING))

    def send(self, number: int) -> None:
        post = next_post(self.kiosk.state, self.kiosk.now_s)
        if post is None:
            return
        self.kiosk.take(inputs.PostTaken(post.id))
        self.taken.setdefault(post.id, []).append(post)
        outcome = (
            inputs.PostDone(post.id),
            inputs.PostReturned(post.id),
            inputs.PostRefused(post.id, "basket_moved", "moved"),
        )[number % 3]
        self.kiosk.take(outcome)

    def answer(self, number: int) -> None:
        open_ones = [add for add in self.kiosk.state.adds if add.ended_s is None]
        if open_ones:
            self.kiosk.answered(open_ones[number % len(open_ones)].request_id, ("done", "refused")[number % 2], "no")

    def wait(self, number: int) -> None:
        self.kiosk.take(
            inputs.Ticked(MORNING), inputs.StatusSeen(status("offline", number, vehicles=1)), after_s=number / 4
        )


STEPS: tuple[Callable[[World, int], None], ...] = (
    *(World.scan, World.decide, World.decide, World.tap, World.tap, World.tap, World.undo, World.outage),
    *(World.send, World.send, World.answer, World.wait, World.wait, World.next_basket, World.pay),
)


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 40)), min_size=20, max_size=80))
def test_rules_that_hold_after_every_step(steps: list[tuple[Callable[[World, int], None], int]]) -> None:
    world = World()
    world.kiosk.take(inputs.AgentCameUp())
    for step, number in steps:
        cards_before = [slot.card for slot in world.kiosk.state.slots]
        busy_before = [slot.busy for slot in world.kiosk.state.slots]
        step(world, number)
        state = world.kiosk.state
        shown = [slot.card.sku for slot in state.slots if slot.card is not None]
        assert len(shown) == len(set(shown)), "one product stands in one slot"
        assert len(state.slots) == 4
        assert all(slot.request_id for slot in state.slots if slot.bring), "what is brought was added"
        assert len(state.posts) <= POSTS_MAX
        ids = [post.id for post in state.posts]
        assert len(ids) == len(set(ids)), "every tap has an id of its own"
        assert not {slot.card.sku for slot in state.slots if slot.card and not slot.busy} & {
            line.sku for line in (state.open_basket.items if state.open_basket else ())
        }, "what is in the basket is not suggested"
        if step is World.decide:
            assert all(
                slot.card == card
                for slot, card, busy in zip(state.slots, cards_before, busy_before, strict=True)
                if busy
            ), "a card under way is not swapped"
            assert (
                state.decision is None
                or state.decided_for in (None, state.basket and state.basket.version)
                or (state.asking is not None)
                or state.agent is Agent.DOWN  # then the last suggestions stay
            ), "a decision for another basket is not shown"
    assert all(len({str(post.body) for post in posts}) == 1 for posts in world.taken.values()), "an id says one thing"


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 40)), min_size=10, max_size=40))
def test_the_same_history_makes_the_same_kiosk(steps: list[tuple[Callable[[World, int], None], int]]) -> None:
    worlds = (World(), World())
    for world in worlds:
        for step, number in steps:
            step(world, number)
    assert worlds[0].kiosk.state == worlds[1].kiosk.state
    assert worlds[0].kiosk.effects == worlds[1].kiosk.effects
