"""What the reader needs of a server that counts. Declares; does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_posthog.events.batch import Row
    from tap_posthog.events.query import questions


@dataclass(frozen=True, slots=True)
class Page:
    """What one query gave: rows, in parts that are opened as they are taken.

    It may end early, as it may be short for other reasons: that proves nothing.
    """

    parts: Iterator[Sequence[Row]]
    nbytes: int  # that it takes while it waits


class Source(Protocol):
    """Answers questions about one project's events, from several threads at once.

    It waits and tries again by itself. What it raises is final, but for TooHeavyError:
    then the reader asks for less. Where less cannot be asked it sends the question with
    `divisible=False`, and the source must go on trying instead.
    """

    def ask(
        self, question: questions.Question, *, divisible: bool = True
    ) -> list[list[Any]]:
        """Return the results of a small question, decoded; instants are text."""

    def read(self, question: questions.Rows, *, divisible: bool = True) -> Page:
        """Return rows, of which only the key columns need be decoded."""

    def stop(self) -> None:
        """End every wait: the answers are not needed any more."""
