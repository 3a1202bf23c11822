"""The vocabulary: what each event type says, and that its models take nothing else."""

import pytest
from pydantic import ValidationError

from agent.event_types import EVENT_TYPES, TYPE_NAMES
from tests.examples import EXAMPLES


def test_there_is_one_example_per_event_type() -> None:
    assert set(EXAMPLES) == set(EVENT_TYPES)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_type_is_versioned_described_and_found_by_its_model(name: str) -> None:
    row = EVENT_TYPES[name]
    assert row.name == name
    assert name.rsplit(".", 1)[1] == "v1"
    assert TYPE_NAMES[row.model] == name
    assert row.model.__doc__


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_type_comes_back_from_its_own_json(name: str) -> None:
    model = EVENT_TYPES[name].model
    data = model.model_validate(EXAMPLES[name])
    assert model.model_validate_json(data.model_dump_json(exclude_none=True)) == data


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_example_shows_every_field(name: str) -> None:
    assert set(EXAMPLES[name]) == set(EVENT_TYPES[name].model.model_fields)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_type_refuses_unknown_fields_and_changes(name: str) -> None:
    model = EVENT_TYPES[name].model
    with pytest.raises(ValidationError, match="Extra inputs"):
        model.model_validate({**EXAMPLES[name], "typo": 1})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model.model_validate(EXAMPLES[name]), next(iter(model.model_fields)), "other")


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_required_field_is_required(name: str) -> None:
    model = EVENT_TYPES[name].model
    for field, info in model.model_fields.items():
        rest = {key: value for key, value in EXAMPLES[name].items() if key != field}
        if info.is_required():
            with pytest.raises(ValidationError, match="Field required"):
                model.model_validate(rest)
        else:
            model.model_validate(rest)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_no_error_repeats_what_was_sent(name: str) -> None:
    model = EVENT_TYPES[name].model
    for field in model.model_fields:
        with pytest.raises(ValidationError) as refused:
            model.model_validate({**EXAMPLES[name], field: object()})
        assert "object at" not in str(refused.value)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_type_has_a_json_schema(name: str) -> None:
    assert EVENT_TYPES[name].model.model_json_schema()["additionalProperties"] is False


def test_only_pseudonyms_stand_where_a_customer_does() -> None:
    raw = {"customer_id": "4711"}
    with_customer = [name for name, row in EVENT_TYPES.items() if "customer_id" in row.model.model_fields]
    assert len(with_customer) >= 6
    for name in with_customer:
        with pytest.raises(ValidationError, match="not a pseudonym"):
            EVENT_TYPES[name].model.model_validate({**EXAMPLES[name], **raw})


def test_every_model_within_an_event_refuses_unknown_fields_too() -> None:
    for row in EVENT_TYPES.values():
        schema = row.model.model_json_schema()
        for name, definition in schema.get("$defs", {}).items():
            if definition["type"] == "object":
                assert definition["additionalProperties"] is False, f"{row.name}: {name}"
