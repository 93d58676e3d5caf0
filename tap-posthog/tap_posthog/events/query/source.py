"""What the reader needs of a server that counts. Declares; does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_posthog.events.batch import Row
    from tap_posthog.events.query import questions


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

    def read(
        self, question: questions.Rows, *, divisible: bool = True
    ) -> Sequence[Row]:
        """Return rows, of which only the key columns need be decoded."""

    def stop(self) -> None:
        """End every wait: the answers are not needed any more."""
