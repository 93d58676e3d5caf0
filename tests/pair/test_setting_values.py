"""One value in many spellings is one value; the same file is in both programs."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog.errors import ConfigError
from tap_posthog.settings.values import Setting, unknown

WHOLE = Setting("n", {"type": ["integer", "null"], "minimum": 0, "maximum": 10**9})
NUMBER = Setting("n", {"type": "number", "exclusiveMinimum": 0, "maximum": 3600})
NAMES = Setting("n", {"type": ["array", "string"], "items": {"type": "string"}})
OBJECT = Setting("n", {"type": ["object", "string"]})
FLAG = Setting("n", {"type": "boolean", "default": True})
names = st.text(min_size=1).filter(str.strip)
FINITE = st.decimals(allow_nan=False, allow_infinity=False)  # as JSON has them
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | FINITE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.integers(0, 10**9))
def test_a_whole_number_is_one_in_each_spelling(number: int) -> None:
    """JSON's number, the SDK's decimal, a variable's text, with or without `.0`."""
    spelled = [
        number,
        float(number),
        Decimal(number),
        Decimal(f"{number}.0"),
        str(number),
        f" {number}\r\n",
        f"+{number}.0",
        f"00{number}.",
        f"{number}e0",
    ]
    read = [WHOLE.read(each) for each in spelled]

    assert read == [number] * len(spelled)
    assert {type(each) for each in read} == {int}


@given(st.floats(0.001, 3600))
def test_a_fraction_is_one_in_each_spelling(number: float) -> None:
    """However many digits it has, it is the same number."""
    text = repr(number)
    spelled = [number, text, f"\t{text} ", Decimal(text), text.upper()]

    assert [NUMBER.read(each) for each in spelled] == [number] * len(spelled)
    assert NUMBER.read(".5") == NUMBER.read("5e-1") == 0.5


@given(st.lists(names, unique=True, max_size=4))
def test_a_list_is_one_as_array_and_as_json(listed: list[str]) -> None:
    """Names with commas, quotation marks and brackets travel as an array."""
    assert NAMES.read(listed) == NAMES.read(json.dumps(listed)) == tuple(listed)


@given(
    st.lists(
        st.from_regex(r"\$?[a-z][a-z0-9 _.:/-]{0,9}[a-z0-9]", fullmatch=True),
        unique=True,
        min_size=1,
    )
)
def test_a_list_is_one_with_commas(listed: list[str]) -> None:
    """Plain names need no more than commas between them, with or without a last one."""
    plain = [name for name in listed if name not in {"none", "null", "undefined"}]
    if plain:
        assert NAMES.read(plain) == NAMES.read(", ".join(plain) + ",") == tuple(plain)


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_an_object_is_one_as_text(found: dict[str, object]) -> None:
    """A variable holds an object as its JSON."""
    assert OBJECT.read(found) == OBJECT.read(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        (("true", "True", "TRUE ", "yes", "on", "1", 1, True, None, "", " "), True),
        (("false", "False", "FALSE", "no", "off", "0", 0, False), False),
    ],
)
def test_a_switch_is_one_in_each_spelling(
    spelled: tuple[object, ...], *, value: bool
) -> None:
    """What YAML, shells and people write for true and false; blank is the default."""
    assert [FLAG.read(each) for each in spelled] == [value] * len(spelled)


@given(
    st.sampled_from([WHOLE, NUMBER, NAMES, OBJECT, FLAG]), json_values, st.booleans()
)
def test_any_value_is_read_or_refused_in_one_line(
    setting: Setting,
    value: object,
    secret: bool,  # noqa: FBT001 - hypothesis passes it so
) -> None:
    """Nothing that a file can hold raises anything else, or gets into a line whole."""
    hidden = Setting("n", {**setting.entry, "secret": True})
    line = "n: is read, takes it"
    try:
        (hidden if secret else setting).read(value)
    except ConfigError as error:
        line = str(error)

    assert line.startswith("n: ")
    assert ", takes " in line
    assert "\n" not in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("start_att", "start_at"),
        ("START-AT", "start_at"),
        ("at", "start_at"),
        ("zzz", ""),
        ("", ""),
        ("a\nb" * 100, ""),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(key: str, near: str) -> None:
    """A slip of a letter, of case or of a word left out leads to the right name."""
    assert unknown([key, "page_size", "_select"], ["start_at", "page_size"]) == {
        key: near
    }
