"""The page of the benches: its sections, and the ratios before them. Pure text.

What is measured again replaces what stood there under the same title, and the rest
stays: a part of the benches can be run where something has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RATIOS = "Ratios"
HEAD = ["", "measured", "wanted", "reached"]


@dataclass(slots=True)
class Page:
    """A head, and sections by title, in order."""

    head: str
    sections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Page:
        """Take a page apart."""
        head, *sections = text.rstrip().split("\n## ")
        titled = (section.split("\n", 1) for section in sections)
        return cls(head.strip(), {title: body.strip() for title, body in titled})

    def write(self) -> str:
        """Put it together."""
        made = [f"## {title}\n\n{body}" for title, body in self.sections.items()]
        return "\n\n".join([self.head, *made]) + "\n"

    def updated(self, newer: Page) -> Page:
        """Return it with the sections and ratios of another one, which are newer."""
        sections = self.sections | newer.sections
        rows = _rows(self.sections.get(RATIOS, ""))
        rows |= _rows(newer.sections.get(RATIOS, ""))
        sections[RATIOS] = table(HEAD, list(rows.values()))
        return Page(newer.head, sections)


def _rows(text: str) -> dict[str, list[str]]:
    """Read a table's rows, by their first cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: row for row in cells}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table whose first column is text and whose others are figures."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join([line(head), line(rule), *map(line, rows)])
