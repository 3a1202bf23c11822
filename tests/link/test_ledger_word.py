"""What the ledger lacks counts once its receipts have lacked just that for a while, and not again after a repair."""

from agent.event_types import Stream
from agent.link.ledger_word import RECEIPT_PATIENCE_S, REPEAT_AFTER_S, LedgerWord
from agent.link.receipts import Rewind
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
