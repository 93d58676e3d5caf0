"""Which events, by name: some, or all but some. A set with its algebra. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Names:
    """These names, or with `all_but` every other name."""

    listed: frozenset[str] = frozenset()
    all_but: bool = True

    @classmethod
    def of(cls, include: Iterable[str], exclude: Iterable[str]) -> Names:
        """Take both settings; an empty `include` means every name."""
        wanted, unwanted = frozenset(include), frozenset(exclude)
        return cls(wanted - unwanted, all_but=False) if wanted else cls(unwanted)

    @property
    def is_empty(self) -> bool:
        """Whether no event has such a name."""
        return not self.all_but and not self.listed

    def __contains__(self, name: str) -> bool:
        return (name in self.listed) != self.all_but

    def __and__(self, other: Names) -> Names:
        match self.all_but, other.all_but:
            case False, False:
                return Names(self.listed & other.listed, all_but=False)
            case False, True:
                return Names(self.listed - other.listed, all_but=False)
            case True, False:
                return Names(other.listed - self.listed, all_but=False)
        return Names(self.listed | other.listed)

    def __sub__(self, other: Names) -> Names:
        return self & Names(other.listed, all_but=not other.all_but)

    def __str__(self) -> str:
        """Name them as a sentence would, at most a few."""
        first = ", ".join(sorted(self.listed)[:SHOWN])
        more = len(self.listed) - SHOWN
        shown = f"{first} and {more} more names" if more > 0 else first
        if not self.all_but:
            return f"the events {shown}"
        return f"all events but {shown}" if self.listed else "all events"


SHOWN = 5  # names in a log line
EVERY = Names()
