"""Charts as SVG, drawn by hand: columns over months, bars of the largest. Colours come from the page's style. Pure."""

import math
from collections.abc import Sequence
from html import escape

from redmine_mailbridge.util.dataclass import dataclass

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 30
_MOST_LABELS = 9


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One row of numbers with its name; `style` is the class that colours it: "s1", "s2"."""

    name: str
    style: str
    values: Sequence[float]


def columns(
    title: str, labels: Sequence[str], series: Sequence[ChartSeries], *, unit: str = "", point: str = "."
) -> str:
    """Given labels from left to right and one or two series, return the chart; its numbers stand in its description.
    `point` is the decimal separator.
    """
    top = nice(max((value for chart_series in series for value in chart_series.values), default=0.0))
    plot = WIDTH - _LEFT - _RIGHT
    slot = plot / max(1, len(labels))
    bar = min(28.0, slot * 0.7 / max(1, len(series)))
    parts = [*_grid(top, point), *_month_labels(labels, slot)]
    for number, chart_series in enumerate(series):
        for place, value in enumerate(chart_series.values):
            height = (HEIGHT - _TOP - _BOTTOM) * value / top
            x = _LEFT + slot * place + (slot - bar * len(series)) / 2 + bar * number
            text = escape(f"{labels[place]}, {chart_series.name}: {_number(value, point)}{unit}")
            parts.append(
                f'<rect class="{chart_series.style}" x="{x + 1:.1f}" y="{HEIGHT - _BOTTOM - height:.1f}" '
                f'width="{max(1.0, bar - 2):.1f}" height="{height:.1f}" rx="2"><title>{text}</title></rect>'
            )
    description = "; ".join(
        f"{label}: "
        + ", ".join(
            f"{chart_series.name} {_number(chart_series.values[place], point)}{unit}" for chart_series in series
        )
        for place, label in enumerate(labels)
    )
    return _svg(title, description, HEIGHT, parts)


def bars(title: str, labels: Sequence[str], values: Sequence[float], *, unit: str = "", point: str = ".") -> str:
    """Given labels and a number each, return bars from the left, one below the other. `point` separates decimals."""
    height = 28 * len(labels) + 8
    most = max((*values, 0.0)) or 1.0
    left, room = 230, WIDTH - 230 - 90
    parts = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        y = 4 + 28 * place
        short = label if len(label) <= 25 else label[:24] + "…"
        number = f"{_number(value, point)}{unit}"
        parts.append(
            f'<text class="label" x="{left - 8}" y="{y + 18}" text-anchor="end">{escape(short)}</text>'
            f'<rect class="s1" x="{left}" y="{y + 5}" width="{room * value / most:.1f}" height="18" rx="2">'
            f"<title>{escape(label)}: {number}</title></rect>"
            f'<text class="value" x="{left + room * value / most + 6:.1f}" y="{y + 18}">{number}</text>'
        )
    description = "; ".join(
        f"{label}: {_number(value, point)}{unit}" for label, value in zip(labels, values, strict=True)
    )
    return _svg(title, description, height, parts)


def nice(most: float) -> float:
    """Given the largest number, return the round one at the top of the axis, at least 1: 1, 2, 4, 6 or 8 by ten."""
    if most <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= most)


def _number(value: float, point: str) -> str:
    return f"{value:g}".replace(".", point)


def _grid(top: float, point: str) -> list[str]:
    parts = []
    for quarter in range(5):
        value = top * quarter / 4
        y = HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * quarter / 4
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value, point)}</text>'
        )
    return parts


def _month_labels(labels: Sequence[str], slot: float) -> list[str]:
    every = math.ceil(len(labels) / _MOST_LABELS) or 1
    return [
        f'<text class="axis" x="{_LEFT + slot * (place + 0.5):.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(label)}</text>"
        for place, label in enumerate(labels)
        if place % every == 0
    ]


def _svg(title: str, description: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="{escape(title)}: {escape(description)}"><title>{escape(title)}</title>'
        f"<desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )
