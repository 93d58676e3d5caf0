"""What both sides share with the process around them: reset, and close at the end."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

T = TypeVar("T")


class Control:
    """A side registers here what a reset empties, and what the end closes."""

    def __init__(self) -> None:
        self._resets: list[Callable[[], Awaitable[None]]] = []
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened, the last one first."""
        self._opened.close()

    def open(self, resource: AbstractContextManager[T]) -> T:
        """Enter a context that is left when the sandbox stops."""
        return self._opened.enter_context(resource)

    def on_reset(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do this, too, when everything is to be forgotten."""
        self._resets.append(action)

    async def reset(self) -> None:
        """Forget everything."""
        for action in self._resets:
            await action()
