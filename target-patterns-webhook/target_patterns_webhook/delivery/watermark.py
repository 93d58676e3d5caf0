"""Which state may be written now. Pure: knows batch numbers, no batches, no clock.

Batches are numbered 0, 1, 2... in the order in which they were opened, and settled in
any order. A state is safe when every batch that was opened before it is settled: an
open batch may hold records from both sides of the state, and then it waits for both.
"""

from __future__ import annotations

from collections import deque


class Watermark:
    """States in order, each only when all before it is done, the newest safe one only.

    It holds at most one state for each unsettled batch, however many are marked.
    """

    def __init__(self) -> None:
        self._settled: set[int] = set()  # those above the first unsettled one
        self._low = 0  # every batch below is settled
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._safe: bytes | None = None
        self._written: bytes | None = None

    @property
    def low(self) -> int:
        """The first batch that is not settled."""
        return self._low

    def mark(self, state: bytes, opened: int) -> None:
        """Take a state that came after the batches ``0 .. opened - 1`` were opened."""
        if self._waiting and self._waiting[-1][0] == opened:
            self._waiting.pop()  # both become safe at once, and the newer says more
        self._waiting.append((opened, state))
        self._advance()

    def settle(self, number: int) -> None:
        """Note that every record of a batch is accepted or dead-lettered."""
        if number < self._low or number in self._settled:
            msg = f"Batch {number} was settled twice"
            raise ValueError(msg)
        self._settled.add(number)
        while self._low in self._settled:
            self._settled.remove(self._low)
            self._low += 1
        self._advance()

    def take(self) -> bytes | None:
        """Return the state to write now, None without a new one. It is then written."""
        state, self._safe = self._safe, None
        if state is None or state == self._written:
            return None
        self._written = state
        return state

    @property
    def ready(self) -> bool:
        """Whether ``take`` has something to give."""
        return self._safe is not None and self._safe != self._written

    def _advance(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._low:
            self._safe = self._waiting.popleft()[1]
