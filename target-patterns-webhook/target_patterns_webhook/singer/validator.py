"""Validates records by their SCHEMA's own draft, whatever numbers they hold. Pure."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import ValidationError, validators
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # has none
from referencing.exceptions import Unresolvable
from simplejson import RawJSON  # type: ignore[import-untyped]  # has none
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks.core import BaseJSONSchemaValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLD_DRAFTS = (validators.Draft3Validator, validators.Draft4Validator)
SCHEMAS_BY_NAME = ("properties", "patternProperties", "definitions", "$defs")
LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "items", "prefixItems")
ONE_SCHEMA = (
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
)


class Validator(BaseJSONSchemaValidator):
    """Validates by the schema's own ``$schema``; without a true one, leniently.

    Raises:
        InvalidJSONSchema: it is no schema, or a ``$ref`` leads nowhere or, as a
            record shows, in a circle.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        draft = validators.validator_for(schema, default=validators.Draft7Validator)
        try:
            if draft in OLD_DRAFTS and not _is_valid(draft, schema):
                draft = validators.Draft7Validator
            if draft not in OLD_DRAFTS:
                schema = _modern(schema)
            valid = _is_valid(draft, schema)
        except RecursionError:
            valid = False
        if not valid:
            msg = "it breaks its draft's rules"
            raise InvalidJSONSchema(msg)
        self._validator = _validator(draft, schema)

    def validate(self, record: dict[str, Any]) -> None:
        """Raise InvalidRecord, caused by a ValidationError, where it does not fit."""
        try:
            error = next(self._validator.iter_errors(record), None)
        except (Unresolvable, RecursionError) as problem:
            raise InvalidJSONSchema(type(problem).__name__) from None
        if error is not None:
            raise InvalidRecord(error.message, record) from error


def _is_valid(draft: Any, schema: dict[str, Any]) -> bool:  # noqa: ANN401 - as below
    """Do as ``draft.check_schema``, which knows no Decimal."""
    meta = _validator(draft, draft.META_SCHEMA)
    return next(meta.iter_errors(schema), None) is None


def _validator(draft: Any, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - as below
    # Where a reference leads to a ``$schema``, jsonschema would go on with its own.
    bare = {name: says for name, says in schema.items() if name != "$schema"}
    return _extended(draft)(bare, registry=REGISTRY)


@cache
def _extended(draft: Any) -> Any:  # noqa: ANN401 - a validator class of jsonschema
    """Return a draft's validator for values as they are read here."""
    keywords = {name: _guarded(name, check) for name, check in draft.VALIDATORS.items()}
    for name in {"multipleOf", "divisibleBy"} & keywords.keys():
        keywords[name] = _guarded(name, _multiple_of)
    types = draft.TYPE_CHECKER
    if draft not in OLD_DRAFTS:
        types = types.redefine("integer", _is_integer)
    extend: Any = validators.extend  # untyped in its stubs
    return extend(draft, keywords, type_checker=types)


def _guarded(name: str, check: Callable[..., Any]) -> Callable[..., Any]:
    """Ask nothing of what stayed text, and of NaN and Infinity no more than the type.

    A pattern that Python cannot read (they are ECMAScript's) is left out.
    """

    def guarded(
        validator: Any,  # noqa: ANN401 - of jsonschema
        value: object,
        instance: object,
        schema: dict[str, Any],
    ) -> Iterator[ValidationError]:
        if isinstance(instance, RawJSON):
            return
        if (
            name != "type"
            and isinstance(instance, float)
            and not math.isfinite(instance)
        ):
            return
        try:
            yield from check(validator, value, instance, schema) or ()
        except re.error:
            return

    return guarded


def _is_integer(checker: object, instance: object) -> bool:
    del checker
    if isinstance(instance, Decimal):
        return instance.is_finite() and instance == instance.to_integral_value()
    if isinstance(instance, float):
        return instance.is_integer()
    return isinstance(instance, int) and not isinstance(instance, bool)


def _multiple_of(
    validator: Any,  # noqa: ANN401 - of jsonschema
    divisor: float | Decimal,
    instance: object,
    schema: dict[str, Any],
) -> Iterator[ValidationError]:
    del schema
    if validator.is_type(instance, "number") and not is_multiple(instance, divisor):
        yield ValidationError(f"{instance!r} is not a multiple of {divisor}")


def is_multiple(number: Any, divisor: Any) -> bool:  # noqa: ANN401 - int, float, Decimal
    """Say so exactly, whatever the numbers' sizes, and without writing them out."""
    a, p = _scaled(number)
    b, q = _scaled(divisor)
    if a == 0 or b == 0:
        return a == 0
    if p >= q:
        return a * pow(10, p - q, b) % b == 0
    if q - p > math.log10(abs(a)) + 1:
        return False
    return a % (b * int(10 ** (q - p))) == 0


def _scaled(number: float | Decimal) -> tuple[int, int]:
    """Return n, e: the number is n * 10^e. A float is what it is written as."""
    text = repr(number) if isinstance(number, float) else number
    sign, digits, exponent = Decimal(text).as_tuple()
    whole = int(Decimal((sign, digits, 0)))
    return whole, int(exponent)


def _modern(schema: Any) -> Any:  # noqa: ANN401 - a schema, or what stands in its place
    """Return it without what only drafts 3 and 4 have: taps write that in any draft."""
    if not isinstance(schema, dict):
        return schema
    new = dict(schema)
    for bound in ("maximum", "minimum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if isinstance(new.get(exclusive), bool) and new.pop(exclusive) and bound in new:
            new[exclusive] = new.pop(bound)
    if isinstance(new.get("required"), bool):
        del new["required"]
    for name, inner in new.items():
        if name in SCHEMAS_BY_NAME and isinstance(inner, dict):
            new[name] = {key: _modern(each) for key, each in inner.items()}
        elif name in LISTS_OF_SCHEMAS and isinstance(inner, list):
            new[name] = [_modern(each) for each in inner]
        elif name in ONE_SCHEMA:
            new[name] = _modern(inner)
    return new
