"""What a refused body seems to hold that must not be kept: looked for in bodies of any form (D1)."""

import json
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Problem
from agent.refused.body import HEAD_BYTES_MAX, head_of
from agent.refused.private_parts import private_part
from tests.examples import EXAMPLES

pytestmark = pytest.mark.case("D1")

CARD = "4111111111111111"
FILLER = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=40)


@pytest.mark.parametrize(
    "body",
    [b'{"note": "4111 1111 1111 1111"}', b'{"note": "4111-1111-1111-1111", oops', b"not JSON: 4111111111111111",
     b'{"note": "\\u0034111111111111111"}', '{"note": "4111\u00a01111\u00a01111\u00a01111"}'.encode(),
     json.dumps({"note": CARD}).encode("utf-16"), b'{"n": 4.111111111111111e15}', b'{"n": 4111111111111111.0}',
     b"%B4111111111111111^DOE/JANE^2512", b'\xff\xfe"4111111111111111"',
     b'{"x": 1, "cvv" : "123"}', b'[{"card-number": 1}', b"{'cvc2': 123}", b"{pan: 1}", b"till=3&cvv=123",
     b'{"primary account\\u0020number": 1}'],
)  # fmt: skip
def test_d1_card_data_is_found_in_any_form(body: bytes) -> None:
    assert private_part(body, ()) == "card data"


@given(before=FILLER, after=FILLER, joint=st.sampled_from(["", " ", "-", "."]))
def test_d1_a_card_number_is_found_wherever_it_stands(before: str, after: str, joint: str) -> None:
    number = joint.join(CARD[at : at + 4] for at in range(0, 16, 4))
    assert private_part(f"{before}{number}{after}".encode(), ()) == "card data"


@given(overlap=st.integers(-20, 20), quote=st.sampled_from(['"', ""]), joint=st.sampled_from(["", " ", "-"]))
def test_d1_a_card_number_across_the_cut_leaves_nothing_of_it(overlap: int, quote: str, joint: str) -> None:
    number = joint.join(CARD[at : at + 4] for at in range(0, 16, 4)).encode()
    start = b'{"filler": "' + b"x" * (HEAD_BYTES_MAX - 24 + overlap) + b'", ' + quote.encode()
    head = head_of(start + number + quote.encode() + b"}" * 100)
    assert private_part(head, ()) == "card data" or number[:6] not in head


@pytest.mark.parametrize(
    "body",
    [b'{"customer_id": "12345"}', b'{"customerId": 12345', b"{'customer-id': '7'}", b"customer_id=12345",
     b'{"customer": "jane@example.com"}', b'{"customer_id": "p1:123"}', b'{"Customer No": 5}'],
)  # fmt: skip
def test_d1_a_customers_own_id_is_found_in_any_form(body: bytes) -> None:
    assert private_part(body, ()) == "a customer's own id"


def test_d1_a_call_refused_for_its_customer_field_is_known_by_that() -> None:
    problem = Problem("[3].data.customer_id", "not a pseudonym", "p1:")
    assert private_part(b'{"customer\\x5fid": 12345}', (problem,)) == "a customer's own id"


def test_d1_an_ordinary_body_holds_neither() -> None:
    for name, data in EXAMPLES.items():
        event = {"type": name, "id": "01a2207e-be10-7e93-a7bd-bb051dc2e59a", "data": data}
        assert private_part(json.dumps(event).encode(), (Problem("data.sku", "missing"),)) == "", name


def test_d1_an_hostile_body_is_looked_through_in_bounded_time() -> None:
    parts = (
        b"4111 1111 1111 1112 ",
        b"4",
        b"aA ",
        b'"a',
        b"customer_",
        b"customer_id:         ",
        b"1e1",
        b"\\u0034",
        b"1.1",
    )
    for one, other in product(parts, parts):
        body = ((one * 50 + other * 50) * 700)[:HEAD_BYTES_MAX]
        began_s = time.process_time()
        private_part(body, ())
        assert time.process_time() - began_s < 1.0, (one, other)
