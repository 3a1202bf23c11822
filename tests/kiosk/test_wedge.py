"""The scanner that types like a keyboard: whole codes only, nothing lost, nothing twice, and people can type too."""

from hypothesis import given
from hypothesis import strategies as st

from kiosk.wedge import ENTER, KEY_GAP_MAX_S, KEYS_MAX, REPEAT_S, Misread, Scan, Typed, Wedge, late, press

EAN = "5901234123457"
OTHER = "4006381333931"


def play(
    keys: str, gap_s: float, wedge: Wedge | None = None, start_s: float = 1.0
) -> tuple[Wedge, list[object], float]:
    wedge, now_s = wedge or Wedge(), start_s
    told: list[object] = []
    for key in keys:
        wedge, more = press(wedge, key, now_s)
        told += more
        now_s += gap_s
    return wedge, told, now_s


def test_a_burst_of_digits_with_enter_is_a_scan() -> None:
    assert play(EAN + ENTER, 0.002)[1] == [Scan(EAN)]


def test_a_wrong_check_digit_is_a_misread_and_never_a_product() -> None:
    assert play("5901234123458" + ENTER, 0.002)[1] == [Misread("5901234123458")]


def test_a_trigger_held_down_scans_once_and_a_second_item_scans_again() -> None:
    wedge, told, now_s = play(EAN + ENTER, 0.002)
    wedge, again, now_s = play(EAN + ENTER, 0.002, wedge, now_s + 0.1)
    assert (told, again) == ([Scan(EAN)], [])
    assert play(EAN + ENTER, 0.002, wedge, now_s + REPEAT_S + 0.01)[1] == [Scan(EAN)]


def test_another_code_right_after_is_not_a_repeat() -> None:
    wedge, told, now_s = play(EAN + ENTER, 0.002)
    assert told + play(OTHER + ENTER, 0.002, wedge, now_s)[1] == [Scan(EAN), Scan(OTHER)]


def test_two_hundred_scans_a_second_all_arrive() -> None:
    codes = [f"{number:012d}" for number in range(200)]
    codes = [code + str(-sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(code)) % 10) for code in codes]
    assert play("".join(code + ENTER for code in codes), 0.000_3)[1] == [Scan(code) for code in codes]


def test_a_person_types_letter_by_letter() -> None:
    wedge, told, now_s = play("milk", KEY_GAP_MAX_S + 0.03)
    assert told == [Typed("m"), Typed("i"), Typed("l")]
    assert late(wedge, now_s)[1] == (Typed("k"),)


def test_typed_keys_before_a_scan_do_not_spoil_it() -> None:
    wedge, _, now_s = play("mi", 0.15)
    assert play(EAN + ENTER, 0.002, wedge, now_s)[1] == [Typed("i"), Scan(EAN)]


@given(st.lists(st.tuples(st.characters(codec="utf-8"), st.floats(0, 1))))
def test_no_key_is_lost_and_the_memory_is_bounded(keys: list[tuple[str, float]]) -> None:
    wedge, now_s, heard = Wedge(), 0.0, ""
    for key, gap_s in keys:
        now_s += gap_s
        wedge, told = press(wedge, key, now_s)
        heard += "".join(item.gtin + ENTER if isinstance(item, Scan) else item.text for item in told)
        assert len(wedge.held) <= KEYS_MAX
    heard += wedge.held
    typed = "".join(key for key, _ in keys)
    assert set(typed) - set(heard) <= {ENTER}
    assert len(heard) <= len(typed)
