"""How a stretch of time is cut into windows of at most one page of rows. Pure policy.

Owns which ranges are counted, how finely, and how counts become windows. Sends nothing:

    if question := planner.question():
        planner.answer(question, counts) or planner.refuse(question)
    window = planner.window()

The server reads a whole day again for every window that touches it, and each query
counts against a quota. So windows are packed from whole days where that fills them, and
counts are asked more finely only where a window would be too full, or where the windows
saved are more than the questions cost. Windows tile the stretch: gaps belong to the
window that follows them, so that a count that was wrong costs a query and never a row.

Times are ticks (`timestamps.py`).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MILLISECOND = 1_000
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
GRAINS = (DAY, HOUR, MINUTE, SECOND, MILLISECOND)

AHEAD = 64  # pages that are planned at a time
SPARE = 8  # windows, when the next are asked about: an answer takes a few pages' time
MOST_STRETCHES = 20_000  # of one histogram: under a megabyte
FINE = 1 / 8  # of a page: from stretches this small windows fill to 7/8 and more
FULL = 0.92  # of a page: full enough to end a window at midnight
UNKNOWN = 10**12  # rows: more than any range has


class Cell(NamedTuple):
    """A range of time and how many rows it holds; at most, until that is counted."""

    start: int
    end: int
    rows: int
    counted: bool = True

    @property
    def grain(self) -> int | None:
        """The coarsest grain that cuts the cell. None: it cannot be cut."""
        width = self.end - self.start
        return next((grain for grain in GRAINS if grain < width), None)


@dataclass(frozen=True, slots=True)
class Count:
    """A question: the number of rows in each stretch of `grain` in a range."""

    start: int
    end: int
    grain: int


class Window(NamedTuple):
    """A range that is read by one query, and how many rows it should give."""

    start: int
    end: int
    rows: int


class Planner:
    """Cuts one range of time into windows, in order, as their counts come in."""

    def __init__(self, start: int, end: int, cells: Iterable[Cell], page: int) -> None:
        """Plan [start, end), whose rows all lie in the cells, for pages of `page`."""
        self.page = page
        self._end = end
        self._edge = start  # all before it is in a window that was handed out or waits
        self._cells = list(cells)
        self._ready: deque[Window] = deque()
        self._probe = end - start  # of a question about several cells

    def question(self) -> Count | None:
        """Say what must be counted before the windows that are cut run out.

        None: nothing yet. Until it is answered no other question is asked; the windows
        that are ready may be handed out meanwhile.
        """
        while self._cells and len(self._ready) < SPARE:
            question = self._missing()
            if question:
                return question
            self._pack()
        return None

    def window(self) -> Window | None:
        """Hand out the next window. None, with no question open: that was all."""
        if self._ready:
            return self._ready.popleft()
        return None

    def answer(self, question: Count, counts: Sequence[tuple[int, int]]) -> None:
        """Take in a histogram: (stretch number, rows), ascending, no empty stretches.

        An answer may have been cut short, silently. It is complete where it accounts
        for all rows; else what lies behind it stays as it was known.
        """
        first, last = self._span(question)
        old = self._cells[first:last]
        new = [
            Cell(
                max(number * question.grain, question.start),
                min((number + 1) * question.grain, question.end),
                rows,
            )
            for number, rows in counts
        ]
        missing = sum(cell.rows for cell in old) - sum(cell.rows for cell in new)
        if new and missing > 0:
            reached = new[-1].end
            for cell in old:
                if cell.start >= reached:
                    new.append(cell)
                elif cell.end > reached:
                    rows = min(cell.rows, missing)
                    new.append(Cell(reached, cell.end, rows, counted=False))
        self._cells[first:last] = new

    def too_heavy(self, question: Count) -> bool:
        """Count a range in parts that was too much. False: it cannot be parted."""
        half = (question.end - question.start) // 2
        first, last = self._span(question)
        if last - first > 1:
            self._probe = half
            return True
        if half < SECOND:
            return False
        middle, most = question.start + half, self._cells[first].rows
        self._cells[first:last] = [
            Cell(question.start, middle, most, counted=False),
            Cell(middle, question.end, most, counted=False),
        ]
        return True

    def resize(self, page: int) -> None:
        """Plan what was not handed out yet for pages of another size."""
        self.page = page
        self._cells[:0] = (Cell(*window) for window in self._ready)
        if self._ready:
            self._edge = self._ready[0].start
        self._ready.clear()

    # What to count.

    def _missing(self) -> Count | None:
        """Find the first range that has to be counted among the next pages of rows."""
        cells = self._ahead()
        unknown = next((n for n, cell in enumerate(cells) if not cell.counted), None)
        if unknown is not None:
            return self._count(unknown, unknown + 1)
        heavy = self._groups(cells, self.page)
        if heavy:
            return self._count(*heavy[0])
        coarse = self._groups(cells, int(self.page * FINE))
        rows = sum(cell.rows for cell in cells)
        windows = sum(1 for _ in self._packed(cells))
        if windows - math.ceil(rows / self.page) > len(coarse) > 0:
            return self._count(*coarse[0])
        return None

    def _ahead(self) -> list[Cell]:
        """Take the next cells, to `AHEAD` pages of rows; at most all that are left."""
        total = 0
        for n, cell in enumerate(self._cells):
            total += cell.rows
            if total > AHEAD * self.page and n and cell.counted:
                return self._cells[: n + 1]
        return self._cells

    def _groups(self, cells: Sequence[Cell], most: int) -> list[tuple[int, int]]:
        """Find the cells above `most` rows that can be cut, in ranges for one question.

        A range may hold other cells between, as long as none is as fine as the answer.
        """
        groups: list[tuple[int, int]] = []
        grain, stretches = 0, 0
        for n, cell in enumerate(cells):
            if cell.grain is None or cell.rows <= most:
                continue
            more = -(-(cell.end - cell.start) // cell.grain)
            if (
                groups
                and cell.grain == grain
                and stretches + more <= MOST_STRETCHES
                and cell.end - cells[groups[-1][0]].start <= self._probe
                and all(
                    between.end - between.start > grain
                    for between in cells[groups[-1][1] : n]
                )
            ):
                groups[-1] = (groups[-1][0], n + 1)
                stretches += more
            else:
                groups.append((n, n + 1))
                grain, stretches = cell.grain, more
        return groups

    def _count(self, first: int, last: int) -> Count:
        cells = self._cells[first:last]
        return Count(cells[0].start, cells[-1].end, self._grain(cells))

    def _grain(self, cells: Sequence[Cell]) -> int:
        """Choose the grain that is fine enough for even rows and fits one answer.

        It cuts the narrowest of the cells too, or the same would be asked for ever.
        """
        rows = sum(cell.rows for cell in cells)
        width = sum(cell.end - cell.start for cell in cells)
        coarsest = min(cell.grain or MILLISECOND for cell in cells)
        grains = [grain for grain in GRAINS if grain <= coarsest]
        fitting = [g for g in grains if min(width // g, rows) <= MOST_STRETCHES]
        fine = (g for g in fitting if rows * g <= width * self.page * FINE)
        return next(fine, (fitting or grains[:1])[-1])

    def _span(self, question: Count) -> tuple[int, int]:
        """Find the cells that a question was about."""
        inside = [
            n
            for n, cell in enumerate(self._cells)
            if question.start <= cell.start and cell.end <= question.end
        ]
        return inside[0], inside[-1] + 1

    # How counts become windows.

    def _pack(self) -> None:
        """Make the next windows; the last one stays open while cells are behind it."""
        cells = self._ahead()
        final = len(cells) == len(self._cells)
        used = 0
        for first, last in self._packed(cells):
            if last == len(cells) and not final:
                break
            rows = sum(cell.rows for cell in cells[first:last])
            end = self._end if last == len(self._cells) else cells[last - 1].end
            self._ready.append(Window(self._edge, end, rows))
            self._edge, used = end, last
        del self._cells[:used]

    def _packed(self, cells: Sequence[Cell]) -> Iterable[tuple[int, int]]:
        """Pack cells in order: as many as fit, or fewer if that ends at midnight."""
        first = 0
        while first < len(cells):
            last, rows, midnight = first, 0, 0
            while last < len(cells) and (
                last == first or rows + cells[last].rows <= self.page
            ):
                rows += cells[last].rows
                last += 1
                if cells[last - 1].end % DAY == 0 and rows >= FULL * self.page:
                    midnight = last
            if midnight and last < len(cells):
                last = midnight
            yield first, last
            first = last
