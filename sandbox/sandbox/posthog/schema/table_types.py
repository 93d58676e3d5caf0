"""What a declared table is: its stored columns in ClickHouse, its columns in HogQL."""

from __future__ import annotations

from dataclasses import dataclass, field

# When a row was written, and whether it is gone: a row that is put again replaces
# the one before, however soon after.
_WRITTEN = (
    "team_id Int64 default 1,"
    " _v UInt64 default toUnixTimestamp64Nano(now64(9)),"
    " _gone UInt8 default 0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A ClickHouse table, sorted as PostHog's is where it matters.

    Attributes:
        name: In ClickHouse.
        key: What is one row, after the team.
        columns: A line a column: name, type, and perhaps a default. `JSON` is text
            that holds JSON.
        version: Which of two rows with the same key stays; ours unless PostHog has one.
    """

    name: str
    key: str
    columns: str
    version: str = "_v, _gone"

    def kinds(self) -> dict[str, str]:
        """Give the columns' types by name."""
        lines = (line.split() for line in self.columns.strip().splitlines())
        return {name: rest.partition(" default ")[0] for name, rest in _named(lines)}

    def create(self) -> str:
        """Write the statement that makes it."""
        lines = (line.split() for line in self.columns.strip().splitlines())
        columns = ", ".join(
            f"`{name}` {'String' + rest[4:] if _is_json(rest) else rest}"
            for name, rest in _named(lines)
        )
        return (
            f"create table if not exists {self.name} ({columns}, {_WRITTEN})"
            f" engine = ReplacingMergeTree({self.version})"
            f" order by (team_id, {self.key})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A table of HogQL's.

    Attributes:
        name: In HogQL, dots included.
        stored: Where the control path puts its rows.
        source: A SELECT of ClickHouse's that gives its rows; `{team}`, `{now}` and
            `{events}` (which events a reader sees) are filled in.
        hidden: Columns that can be asked for and that `*` leaves out.
        lacking: Columns of the stored table that it has not got.
        resource: What access control calls it.
    """

    name: str
    stored: Stored
    source: str = ""
    hidden: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    resource: str = ""
    kinds: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Work out the columns, and the usual source where none is given."""
        kinds = {
            name: kind
            for name, kind in self.stored.kinds().items()
            if name not in self.lacking
        }
        object.__setattr__(self, "kinds", {**kinds, "team_id": "Int64"})
        if not self.source:
            source = f"select * from {self.stored.name} final where team_id = {{team}}"  # noqa: S608 - our own names
            object.__setattr__(self, "source", source)

    @property
    def star(self) -> tuple[str, ...]:
        """The columns that `*` means."""
        without = self.hidden | {"team_id"}
        return tuple(name for name in self.kinds if name not in without)


def _named(lines: object) -> list[tuple[str, str]]:
    return [(name, " ".join(rest)) for name, *rest in lines]  # type: ignore[attr-defined]  # split lines


def _is_json(rest: str) -> bool:
    return rest.partition(" ")[0] == "JSON"
