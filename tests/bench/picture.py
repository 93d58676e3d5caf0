"""Time and memory over the number of events, as an SVG. No measurement, no library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WIDTH, HEIGHT = 380, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 34, 34, 40
INKS = ("#1d4ed8", "#c2410c")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#334155}.t{font-weight:600}"
    ".g{stroke:#e2e8f0}"
)


@dataclass(frozen=True, slots=True)
class Curve:
    """A name and its points, (events, value)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves over one pair of axes; the upright one is linear, from zero."""

    title: str
    unit: str
    curves: Sequence[Curve]
    logarithmic: bool  # the axis of events


def draw(panels: Sequence[Panel]) -> str:
    """Put panels side by side."""
    width = WIDTH * len(panels)
    drawn = "".join(
        f'<g transform="translate({WIDTH * n} 0)">{"".join(_panel(panel))}</g>'
        for n, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}"'
        f' width="{width}" height="{HEIGHT}"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>{drawn}</svg>\n'
    )


def decades(low: float, high: float) -> list[float]:
    """Give the powers of ten from the one below ``low`` to the one above ``high``."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**n for n in range(first, max(last, first + 1) + 1)]


def steps(high: float) -> list[float]:
    """Give three to six round numbers from 0 to ``high`` or beyond."""
    rough = 10.0 ** math.floor(math.log10(high))
    step = next(rough * f for f in (0.2, 0.5, 1, 2) if high / (rough * f) <= 5)
    return [step * n for n in range(math.ceil(high / step) + 1)]


def _short(count: float) -> str:
    size, unit = (1e6, "M") if count >= 1e6 else (1e3, "k") if count >= 1e3 else (1, "")
    return f"{count / size:g}{unit}"


def _scale(
    ticks: list[float], near: float, far: float, *, logarithmic: bool
) -> Callable[[float], float]:
    def place(value: float) -> float:
        return math.log10(value) if logarithmic else value

    low, high = place(ticks[0]), place(ticks[-1])
    return lambda value: near + (far - near) * (place(value) - low) / (high - low)


def _panel(panel: Panel) -> Iterator[str]:
    xs, ys = zip(*(p for c in panel.curves for p in c.points), strict=True)
    x_ticks = decades(min(xs), max(xs)) if panel.logarithmic else steps(max(xs))
    y_ticks = steps(max(ys))
    x = _scale(x_ticks, LEFT, WIDTH - RIGHT, logarithmic=panel.logarithmic)
    y = _scale(y_ticks, HEIGHT - BOTTOM, TOP, logarithmic=False)
    yield f'<text class="t" x="{LEFT}" y="18">{panel.title}</text>'
    for tick in y_ticks:
        yield (
            f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}"'
            f' y2="{y(tick):.1f}"/><text text-anchor="end" x="{LEFT - 6}"'
            f' y="{y(tick) + 4:.1f}">{tick:g} {panel.unit}</text>'
        )
    for tick in x_ticks:
        yield (
            f'<text text-anchor="middle" x="{x(tick):.1f}" y="{HEIGHT - 20}">'
            f"{_short(tick)}</text>"
        )
    yield f'<text text-anchor="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}">events</text>'
    for n, curve in enumerate(panel.curves):
        points = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in curve.points)
        yield f'<polyline fill="none" stroke="{INKS[n]}" stroke-width="2"'
        yield f' points="{points}"/>'
        for e, v in curve.points:
            yield f'<circle cx="{x(e):.1f}" cy="{y(v):.1f}" r="3" fill="{INKS[n]}"/>'
        yield f'<text style="fill:{INKS[n]}" x="{LEFT + 10}" y="{TOP + 16 + 16 * n}">'
        yield f"{curve.name}</text>"
