"""What the ledger lacks counts once its receipts have lacked just that for a while, and not again after a repair."""

from agent.event_types import Stream
from agent.link.ledger_word import (
    RECEIPT_PATIENCE_S,
    REPEAT_AFTER_S,
    SILENCE_MAX_S,
    SILENCE_MIN_S,
    LedgerWord,
)
from agent.link.receipts import Receipts, Rewind
from agent.log import Place

SALES_7 = Rewind(Stream.SALES, Place(1, 7), "the ledger lacks sales 8")
SALES_9 = Rewind(Stream.SALES, Place(1, 9), "the ledger lacks sales 10")
STOCK_7 = Rewind(Stream.STOCK, Place(1, 7), "the ledger lacks stock 8")


def test_a_loss_counts_when_two_receipts_far_enough_apart_tell_of_the_same() -> None:
    word = LedgerWord()
    assert word.lasting([SALES_7], 100.0) == []
    assert word.lasting([SALES_7, STOCK_7], 100.0 + RECEIPT_PATIENCE_S / 2) == []
    assert word.lasting([SALES_7, STOCK_7], 100.0 + RECEIPT_PATIENCE_S) == [SALES_7]


def test_a_ledger_that_catches_up_gets_time() -> None:
    word = LedgerWord()
    for second in range(0, 60, 2):
        assert word.lasting([SALES_7 if second % 4 else SALES_9], float(second)) == []
    assert word.lasting([], 61.0) == []
    assert word.lasting([SALES_9], 70.0) == []


def test_what_was_sent_again_is_not_asked_for_again_soon() -> None:
    word = LedgerWord()
    word.repaired(SALES_7, 100.0)
    assert word.lasting([SALES_7], 101.0) == []
    assert word.lasting([SALES_7], 101.0 + RECEIPT_PATIENCE_S) == []
    assert word.lasting([SALES_9], 200.0) == []
    assert word.lasting([SALES_9], 200.0 + RECEIPT_PATIENCE_S) == [SALES_9]
    assert word.lasting([SALES_7], 300.0) == []
    assert word.lasting([SALES_7], 100.0 + REPEAT_AFTER_S) == [SALES_7]


def test_what_a_repair_did_not_help_is_told_until_the_ledger_has_it() -> None:
    word = LedgerWord()
    word.repaired(SALES_7, 100.0)
    word.lasting([SALES_7], 101.0)
    assert word.troubles == []
    word.lasting([SALES_7], 101.0 + RECEIPT_PATIENCE_S)
    assert [text.partition(",")[0] for text in word.troubles] == ["the ledger lacks sales after 7"]
    word.lasting([SALES_9], 120.0)  # it got some
    assert word.troubles == []
    word.repaired(SALES_9, 130.0)
    word.repaired(SALES_9, 140.0)  # as on two connections in a row
    assert len(word.troubles) == 1
    word.still_lacks([])
    assert word.troubles == []


def spoken() -> LedgerWord:
    return LedgerWord(newest=Receipts(receipts=[]))


def test_a_ledger_that_says_nothing_of_what_the_broker_took_is_asked_ever_more_rarely() -> None:
    word = spoken()
    assert word.silence_left_s(1_000_000.0) > 0, "nothing was taken, so it has nothing to say"
    now_s, waits_s = 100.0, []
    for _ in range(10):
        word.broker_took(now_s)
        word.broker_took(now_s + 1.0)
        waits_s.append(word.silence_left_s(now_s))
        now_s += waits_s[-1]
        assert word.silence_left_s(now_s) == 0
        word.asked()
        word.spoke(unasked=False)  # its answer on the new connection
    assert waits_s[:3] == [SILENCE_MIN_S, 2 * SILENCE_MIN_S, 4 * SILENCE_MIN_S]
    assert waits_s[-1] == SILENCE_MAX_S
    word.spoke(unasked=True)
    word.broker_took(now_s)
    assert word.silence_left_s(now_s) == SILENCE_MIN_S


def test_a_ledger_that_has_never_spoken_is_not_asked() -> None:
    word = LedgerWord()
    word.broker_took(100.0)
    assert word.silence_left_s(1_000_000.0) > 0


def test_a_word_that_still_lacks_something_is_not_its_last() -> None:
    word = spoken()
    word.broker_took(100.0)
    word.spoke(unasked=True)
    word.lasting([SALES_7], 110.0)
    assert word.silence_left_s(110.0 + SILENCE_MIN_S) == 0
    word.spoke(unasked=True)
    word.lasting([], 120.0)
    assert word.silence_left_s(1_000_000.0) > 0


def test_its_word_ends_the_wait() -> None:
    word = spoken()
    word.broker_took(100.0)
    word.spoke(unasked=True)
    assert word.silence_left_s(1_000_000.0) > 0
