"""The look-up panel: the newest query counts, scans open it on every screen, and searches are told as events."""

from kiosk import inputs
from kiosk.effects import Find, FindCode
from kiosk.state import Face, Note
from tests.kiosk.scenes import MORNING, PRODUCTS, Kiosk

EAN = "5901234123457"


def typed(text: str) -> Kiosk:
    kiosk = Kiosk.new().advised().take(inputs.LookOpened())
    return kiosk.take(*(inputs.LetterTapped(letter) for letter in text))


def scanned(kiosk: Kiosk, code: str = EAN) -> Kiosk:
    for number, key in enumerate(f"{code}\n"):
        kiosk.take(inputs.KeyPressed(key, kiosk.now_s + number * 0.003))
    return kiosk


def found(kiosk: Kiosk) -> tuple[str, ...] | None:
    assert kiosk.state.look is not None
    return kiosk.state.look.found


def test_every_letter_from_the_second_on_searches() -> None:
    assert [effect.query for effect in typed("bran").effects if isinstance(effect, Find)] == ["br", "bra", "bran"]


def test_an_answer_to_an_older_query_is_not_shown() -> None:
    kiosk = typed("bran").take(inputs.Found("bra", (PRODUCTS["101"],)))
    assert found(kiosk) == ()
    assert found(kiosk.take(inputs.Found("bran", (PRODUCTS["105"],)))) == ("105",)


def test_what_was_found_is_added_once_however_often_it_is_tapped() -> None:
    kiosk = typed("bran").take(inputs.Found("bran", (PRODUCTS["105"],)))
    kiosk.take(inputs.FoundTapped("105"), inputs.FoundTapped("105"))
    assert [post.body["sku"] for post in kiosk.state.posts if post.path.endswith("/requests")] == ["105"]


def test_what_is_not_on_the_panel_cannot_be_added() -> None:
    kiosk = typed("bran").take(inputs.Found("bran", ()), inputs.FoundTapped("105"))
    assert all(not post.path.endswith("/requests") for post in kiosk.state.posts)


def test_a_scan_looks_its_product_up_on_every_screen() -> None:
    for kiosk in (Kiosk.new().advised(), typed("bra"), Kiosk.new(face=Face.CUSTOMER)):
        assert scanned(kiosk).effects[-1] == FindCode(EAN)
        kiosk.take(inputs.CodeFound(EAN, (PRODUCTS["101"],)))
        assert kiosk.state.look is not None
        assert kiosk.state.look.found == ("101",)


def test_an_unknown_barcode_says_so_and_becomes_an_event() -> None:
    kiosk = scanned(Kiosk.new().advised()).take(inputs.CodeFound(EAN, ()))
    assert kiosk.state.notice is not None
    assert kiosk.state.notice.note is Note.UNKNOWN_CODE
    kiosk.take(inputs.Ticked(MORNING), after_s=1.1)
    assert dict(kiosk.state.posts[-1].body)["type"] == "kiosk.no_result.v1"


def test_without_an_agent_no_barcode_is_called_unknown() -> None:
    kiosk = scanned(Kiosk.new().advised().take(inputs.AgentWentDown(MORNING))).take(inputs.CodeFound(EAN, ()))
    assert kiosk.state.notice is None


def test_a_misread_code_says_scan_again() -> None:
    kiosk = scanned(Kiosk.new().advised(), "5901234123458")
    assert kiosk.state.notice is not None
    assert kiosk.state.notice.note is Note.MISREAD


def test_a_query_that_rests_is_told_once() -> None:
    kiosk = typed("bran").take(inputs.Found("bran", (PRODUCTS["105"],)))
    kiosk.take(inputs.Ticked(MORNING), inputs.Ticked(MORNING), after_s=1.1)
    events = [dict(post.body) for post in kiosk.state.posts if post.path == "/v1/events"]
    assert [(event["type"], event["data"]) for event in events] == [
        ("kiosk.search.v1", {"till_id": "till-3", "query": "bran", "results": 1})
    ]


def test_a_keyboard_types_into_the_open_panel_and_nowhere_else() -> None:
    for kiosk, query in ((typed(""), "br"), (Kiosk.new().advised(), None)):
        kiosk.take(inputs.KeyPressed("b", 1.0), inputs.KeyPressed("x", 1.2), inputs.KeyPressed("\b", 1.4))
        kiosk.take(inputs.KeyPressed("r", 1.6), inputs.KeysRested(1.8))
        assert (kiosk.state.look.query if kiosk.state.look else None) == query


def test_an_idle_customers_screen_rests_and_wakes_at_a_touch_or_a_basket() -> None:
    kiosk = Kiosk.new(face=Face.CUSTOMER, idle_s=45.0).take(inputs.AgentCameUp(), inputs.LookOpened())
    kiosk.take(inputs.Ticked(MORNING), after_s=44)
    assert not kiosk.state.attract
    kiosk.take(inputs.Ticked(MORNING), after_s=1)
    assert (kiosk.state.attract, kiosk.state.look) == (True, None)
    assert not kiosk.take(inputs.Touched()).state.attract


def test_an_idle_staff_screen_keeps_its_basket_in_view() -> None:
    assert not Kiosk.new().advised().take(inputs.Ticked(MORNING), after_s=1_000).state.attract
