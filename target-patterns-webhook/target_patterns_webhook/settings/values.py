"""How a setting's value is read, however it arrives, and what is said of a bad one.

A JSON file, a variable, `.env` and Meltano spell one value differently: 500, 500.0,
"500", "5e2". What a setting takes stands in its JSON schema, bounds and choices too.
Pure. No message shows a secret's value. The same file is in both packages.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import msgspec
from jsonschema import Draft7Validator
from msgspec import Meta

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHOWN = 100  # characters of a bad value that are repeated to the user
NAMES = 'event names, as an array or comma-separated: "$pageview, signup"'
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
OPENING, CLOSING = "\"'`\u201c\u2018", "\"'`\u201d\u2019"
UNFILLED = "a placeholder that nothing has filled in"
NOTHING = {"null", "none", "undefined"}
# The last word is as in `Bearer $TOKEN`. Events and properties have names like `$set`.
PLACEHOLDER = re.compile(
    r"\$\{\w+\}|\{\{.*\}\}|(?:^|\s)(?:\$[A-Z][A-Z0-9_]*|<[^<>:/]+>|%\w+%)$"
)
CREDENTIALS = re.compile(r"\S*:\S*@")  # of a URL
# What Meltano calls its own, and old versions of it have put among the settings.
MELTANOS = frozenset({"load_schema"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, its entry in the JSON schema, what it takes in words."""

    name: str
    entry: Mapping[str, Any]
    takes: str = ""

    @property
    def kind(self) -> str:
        """The JSON type that its value has, by whatever text it may also be given."""
        if "enum" in self.entry:
            return "enum"
        types = self.entry.get("type", "string")
        names = [types] if isinstance(types, str) else types
        return next(str(name) for name in names if name != "null")

    @property
    def _of_objects(self) -> bool:
        return dict(self.entry.get("items", ())).get("type") == "object"

    def read(self, given: object) -> Any:  # noqa: ANN401 - as its schema says
        """Return its value; absent, null and blank are all the default.

        Raises:
            ConfigError: one line that names the key, what it got and what it takes.
        """
        value = _plain(given, self.entry.get("type", "string"))
        if value is None or value == "":
            value = self.entry.get("default")
            return () if value is None and self.kind == "array" else value
        if isinstance(value, str):
            value = self._from_text(value)
        try:
            read = msgspec.convert(value, self._form()[0], strict=False)
        except (msgspec.ValidationError, ValueError, RecursionError):
            self.refuse(given)
        if self.kind == "array":
            if not self._of_objects and any(not name.strip() for name in read):
                self.refuse(given, "with an empty name in it")
            return tuple(read if self._of_objects else dict.fromkeys(read))
        return read

    def refuse(self, got: object, why: str = "") -> NoReturn:
        """Raise the one line about a value that cannot be used."""
        if isinstance(got, str) and not why:
            why = slip(got)
        if got is None or (isinstance(got, str) and not got.strip()):
            what = "not set"
        elif self.entry.get("secret") or self.kind == "object":  # may hold one
            what = f"is {why}" if why else "cannot be used as it is"
        else:
            text = CREDENTIALS.sub("***@", json.dumps(got, default=_shown))
            what = "got " + (text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
            what += why and f", {why}"
        msg = f"{self.name}: {what}, takes {self.takes or self._form()[1]}"
        raise ConfigError(msg) from None

    def _from_text(self, text: str) -> object:
        """Turn text into what msgspec reads as this kind."""
        if self.kind in {"array", "string"} and text.lower() in NOTHING:
            self.refuse(text, UNFILLED)
        match self.kind:
            case "enum":
                return text.lower()
            case "boolean":
                return SWITCHES.get(text.lower(), text)
            case "integer" | "number" if NUMBER.fullmatch(text):
                return float(text)
            case "object":
                return self._json(text)
            case "array":
                return self._json(text) if self._of_objects else self._names(text)
            case "string" if why := slip(text):
                self.refuse(text, why)
        return text

    def _json(self, text: str) -> object:
        try:
            return json.loads(text, parse_float=Decimal)
        except (ValueError, RecursionError):
            self.refuse(text)

    def _names(self, text: str) -> object:
        """Read JSON's array, or names between commas; one comma may end them."""
        if text[0] == "[" and (text[-1] == "]" or text[1:2] in {'"', "'"}):
            return self._json(text)
        names = [name.strip() for name in text.split(",")]
        if len(names) > 1 and not names[-1]:
            names.pop()
        for why in filter(None, map(slip, names)):
            self.refuse(text, why)
        return names

    def _form(self) -> tuple[Any, str]:
        """Return the type that its schema means, and that in words."""
        entry = self.entry
        least, most = entry.get("minimum"), entry.get("maximum")
        above = entry.get("exclusiveMinimum")
        given = {"ge": least, "gt": above, "le": most}
        bounds: Any = Meta(**{k: v for k, v in given.items() if v is not None})
        within = f" above {above}, up to {most}" if above is not None else ""
        within += f" from {least} to {most}" if least is not None else ""
        form: Any = Annotated[str, Meta(pattern=entry.get("pattern"))]
        words = "text"
        match self.kind:
            case "enum":
                choices = tuple(map(str.__str__, entry["enum"]))  # the SDK's are Enums
                form, words = Literal[choices], f"one of {', '.join(choices)}"
            case "boolean":
                form, words = bool, "true or false"
            case "integer":
                form, words = Annotated[int, bounds], f"a whole number{within}"
            case "number":
                form, words = Annotated[float, bounds], f"a number{within}"
            case "array" if self._of_objects:
                form, words = tuple[dict[str, Any], ...], "an array of objects, as JSON"
            case "array":
                form, words = tuple[str, ...], NAMES
            case "object":
                texts = entry.get("additionalProperties") == {"type": "string"}
                form = dict[str, str] if texts else dict[str, Any]
                words = "an object, or its JSON as text"
        return form, words


def settings_of(
    schema: Mapping[str, Any], takes: Mapping[str, str] | None = None
) -> dict[str, Setting]:
    """Return each setting of a JSON schema, with what some take in better words."""
    words = takes or {}
    return {
        name: Setting(name, entry, words.get(name, ""))
        for name, entry in schema["properties"].items()
    }


def read_builtin(
    config: Mapping[str, Any], settings: Mapping[str, Setting]
) -> dict[str, Any]:
    """Read the SDK's own settings that are given; objects must have their form.

    Raises:
        ConfigError: one line that names the key and what it takes.
    """
    read = {name: each.read(config.get(name)) for name, each in settings.items()}
    given = {name: value for name, value in read.items() if value is not None}
    for name, value in given.items():
        for error in Draft7Validator(settings[name].entry).iter_errors(value):
            path = ".".join([name, *map(str, error.path)])
            takes = json.dumps(error.validator_value, default=str)[: 2 * SHOWN]
            msg = f"{path}: is not of the form that it takes ({takes})"
            raise ConfigError(msg)
    return given


def unknown(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return each key that is no setting, with the setting that it is most like.

    That is empty where there is none. Keys that Meltano calls its own are left out.
    """
    names = sorted(known)  # of several that fit, the same one each time
    found: dict[str, str] = {}
    for key in given:
        if key in names or key in MELTANOS or key.startswith("_"):
            continue
        plain = key.lower().replace("-", "_")
        near = difflib.get_close_matches(plain, names, 1)
        near += [name for name in names if plain and plain in name.split("_")]
        found[key] = near[0] if near else ""
    return found


def slip(text: str) -> str:
    """Say what was forgotten when this text became a value; empty where nothing was."""
    text = text.strip()
    if len(text) > 1 and text[0] in OPENING and text[-1] in CLOSING:
        return "in quotation marks (leave them out)"
    return UNFILLED if PLACEHOLDER.search(text) else ""


def _plain(given: object, types: str | list[str]) -> object:
    """Return numbers as JSON has them, or as text where their text is what is meant."""
    if isinstance(given, Decimal):
        given = str(given)
    if isinstance(given, str):
        return given.strip()
    of_text = types[0] == "string" and "integer" in types
    return str(given) if of_text and type(given) is int else given


def _shown(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)
