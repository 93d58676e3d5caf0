"""Any valid SCHEMA is taken, on both paths, and validated by its own draft."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.singer.validator import is_multiple
from tests.target.inside import deliver

RECORD = {"id": 1, "o": {"x": 2}}
ID = {"id": {"type": "integer"}}
ROOTS: list[Any] = [
    pytest.param({"type": "object"}, id="no-properties"),
    pytest.param({}, id="empty"),
    pytest.param({"properties": None}, id="null-properties"),
    pytest.param(True, id="true"),
    pytest.param(
        {
            "$ref": "#/definitions/row",
            "definitions": {"row": {"type": "object", "properties": ID}},
        },
        id="root-ref",
    ),
    pytest.param(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": "#/$defs/a~1b",
            "$defs": {"a/b": {"$ref": "#/$defs/row"}, "row": {"properties": ID}},
        },
        id="root-ref-of-ref",
    ),
    pytest.param(
        {"anyOf": [{"type": "object", "properties": ID}, {"type": "null"}]},
        id="root-anyOf",
    ),
    pytest.param({"oneOf": [{"properties": ID}, {"required": ["z"]}]}, id="root-oneOf"),
    pytest.param({"allOf": [{"properties": ID}, {"required": ["o"]}]}, id="root-allOf"),
    pytest.param({"type": ["null", "object"], "properties": ID}, id="array-of-types"),
    pytest.param({"properties": {"id": True, "o": {}}}, id="column-true"),
    pytest.param(
        {"properties": {"id": {"anyOf": [{"const": 1}, {"$ref": "#/x"}]}}, "x": {}},
        id="column-anyOf",
    ),
    pytest.param({"properties": {"o": {"oneOf": [True]}}}, id="column-oneOf"),
    pytest.param({"patternProperties": {"^i": ID["id"]}}, id="patterns-only"),
    pytest.param({"if": {"required": ["z"]}, "then": False}, id="root-if"),
]
FEATURES: list[Any] = [
    pytest.param({}, id="plain"),
    pytest.param({"validate_records": True}, id="validation"),
    pytest.param({"add_record_metadata": True}, id="metadata"),
    pytest.param({"stream_maps": {"s": {"more": "id"}}}, id="map"),
    pytest.param({"flattening_enabled": True, "flattening_max_depth": 2}, id="flat"),
    pytest.param(
        {
            "validate_records": True,
            "add_record_metadata": True,
            "stream_maps": {
                "s": {"more": "int(id)", "id": None, "__key_properties__": []}
            },
            "flattening_enabled": True,
            "flattening_max_depth": 2,
        },
        id="all",
    ),
]


def send(schema: Any, *records: Any, **config: object) -> tuple[Any, list[Any]]:  # noqa: ANN401 - JSON
    """Deliver records of a stream with this schema; return the end and what came."""
    lines = [
        {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["id"]},
        *({"type": "RECORD", "stream": "s", "record": each} for each in records),
        {"type": "STATE", "value": {"done": True}},
    ]
    return deliver("\n".join(map(json.dumps, lines)).encode(), **config)


@pytest.mark.parametrize("config", FEATURES)
@pytest.mark.parametrize("schema", ROOTS)
def test_any_root_is_taken(schema: Any, config: dict[str, object]) -> None:  # noqa: ANN401 - JSON
    """Whatever a SCHEMA has at its root, the stream's records arrive."""
    ended, arrived = send(schema, RECORD, **config)

    assert (ended.code, ended.states) == (0, [{"done": True}]), ended.error
    (record,) = arrived
    assert record.get("id", record.get("more")) == 1
    assert (
        "flattening_enabled" not in config
        or "o" not in record
        or (record["o"] == '{"x":2}')
    )


def test_an_events_columns_are_found_behind_a_reference() -> None:
    """A stream of events is shaped as one, wherever its schema names the columns."""
    names = ("uuid", "event", "distinct_id", "timestamp", "properties")
    row: dict[str, Any] = {"properties": {name: {} for name in names}}
    record = {"id": 1, **dict.fromkeys(names, "v"), "properties": {"$ip": "::1"}}
    for schema in ({"$ref": "#/d", "d": row}, {"anyOf": [row, {"type": "null"}]}):
        _, arrived = send(schema, record, record_format="connector")

        assert [r["ip"] for r in arrived] == ["::1"]


@pytest.mark.parametrize("schema", ["object", None, [], 3])
def test_what_is_no_schema_is_refused(schema: Any) -> None:  # noqa: ANN401 - JSON
    """A SCHEMA message without a schema is named by its line."""
    ended, arrived = send(schema, RECORD)

    assert (ended.code, arrived) == (1, [])
    assert ended.error.startswith("Input line 1: the SCHEMA of stream s has no schema.")


DRAFT_4 = "http://json-schema.org/draft-04/schema#"
BELOW_5 = {"type": "number", "maximum": 5, "exclusiveMaximum": True}
DRAFTS: list[Any] = [
    pytest.param(draft, id=draft[-22:] or "none")
    for draft in (
        "",
        "http://json-schema.org/draft-03/schema#",
        DRAFT_4,
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
        "https://example.com/a-schema-of-ones-own",
    )
]


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        pytest.param(BELOW_5, 4.5, 5, id="boolean-exclusive"),
        pytest.param({"items": [BELOW_5]}, [4], [5], id="boolean-exclusive-inside"),
        pytest.param(
            {"type": "number", "minimum": 5, "exclusiveMinimum": False},
            5,
            4,
            id="boolean-inclusive",
        ),
        pytest.param({"type": "string", "required": True}, "", 1, id="required"),
    ],
)
def test_a_schema_is_validated_by_its_draft(
    draft: str, column: dict[str, Any], good: object, bad: object
) -> None:
    """What drafts 3 and 4 wrote means what it meant there, in any draft since."""
    schema = {"properties": {"a": column}} | ({"$schema": draft} if draft else {})
    taken, arrived = send(schema, {"id": 1, "a": good}, validate_records=True)
    refused, _ = send(schema, {"id": 1, "a": bad}, validate_records=True)

    if column.get("items") and "2020" in draft:
        return  # there `items` is no list; prefixItems is
    assert (taken.code, len(arrived)) == (0, 1), taken.error
    assert refused.code == 1
    assert "does not fit its schema: $.a" in refused.error


def test_drafts_differ_where_they_must() -> None:
    """From draft 6 on 1.0 is an integer, and an exclusive bound is a number."""
    new = {"properties": {"a": {"type": "integer", "exclusiveMaximum": 5}}}
    for schema in (new, {**new, "$schema": DRAFT_4}):  # draft 4 does not know it
        for value, code in ((1.0, 0), (5, 1), (1.5, 1)):
            ended, _ = send(schema, {"id": 1, "a": value}, validate_records=True)

            assert ended.code == code, ended.error


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "nonsense"}}},
        {"properties": {"a": {"$ref": "#/nowhere"}}},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
    ],
    ids=["type", "dangling", "remote", "loop"],
)
def test_an_unusable_schema_is_named(schema: dict[str, Any]) -> None:
    """A schema that cannot be used is said to be that; nothing is fetched for it."""
    ended, arrived = send(schema, {"id": 1, "a": 1}, validate_records=True)

    assert (ended.code, arrived) == (1, [])
    assert "the SCHEMA of stream s is not a valid JSON schema" in ended.error
    assert ended.error.endswith("or set validate_records to false.")


@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ('"multipleOf":1e-28', "1.5", 0),
        ('"multipleOf":1e-28', "1e400", 0),
        ('"multipleOf":1e-1000', "9007199254740993", 0),
        ('"multipleOf":1e400', "5", 1),
        ('"multipleOf":0.01', "19.99", 0),
        ('"multipleOf":0.01', "19.999", 1),
        ('"multipleOf":3', "1e999999999", 1),
        ('"multipleOf":0.1', "NaN", 0),
        ('"minimum":0.5', "NaN", 0),
        ('"maximum":1e400', "Infinity", 0),
        ('"maximum":1e400', "2e400", 1),
        ('"enum":[1e400]', "1e400", 0),
        ('"pattern":"\\\\p{L}+"', '"x"', 0),
        ('"minLength":1.0', '"x"', 0),
    ],
)
def test_any_number_is_validated(keyword: str, value: str, code: int) -> None:
    """No size of a number stops the validation, and no stream map is blamed for it."""
    given = (
        '{"type":"SCHEMA","stream":"s","key_properties":[],"schema":'
        f'{{"properties":{{"a":{{{keyword}}}}}}}}}\n'
        f'{{"type":"RECORD","stream":"s","record":{{"a":{value}}}}}\n'
    )

    ended, arrived = deliver(given.encode(), validate_records=True)

    assert "stream_maps" not in ended.error
    assert (ended.code, len(arrived)) == (code, 1 - code), ended.error
    assert code == 0 or "does not fit its schema: $.a breaks the rule" in ended.error


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4), st.integers(-9, 9))
def test_multiples_are_exact(factor: int, divisor: int, shift: int) -> None:
    """A product is a multiple, one more is none, whatever the decimal point."""
    unit = Decimal(divisor).scaleb(shift)
    product = unit * factor

    assert is_multiple(product, unit)
    assert is_multiple(product + Decimal(1).scaleb(shift), unit) == (divisor == 1)
