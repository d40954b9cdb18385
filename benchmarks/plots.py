"""Plots as inline SVG that takes its colours from the page: budget bars, curves over a size, sparklines."""
from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from results import Curve, Result

WIDE = 440
LOW, HIGH = 0.125, 8.0
"""Ends of the axis of margins: an eighth of what was asked, and eight times as much."""


def margin(one: Result) -> tuple[float, float, float] | None:
    """How far inside its budget a figure is: 1 is at the bound, 2 is twice as good; median, lower, upper end. None without a budget."""
    bound = one.most if one.most is not None else one.least
    if bound is None or min(one.median, one.low, one.high, bound) <= 0:
        return None
    if one.most is not None:
        return bound / one.median, bound / one.high, bound / one.low
    return one.median / bound, one.low / bound, one.high / bound


def budget_bar(one: Result, width: int = 220, height: int = 22) -> str:
    """A bar from the bound (the upright line) to the median, and a whisker over the quartiles; right of the line is kept."""
    found = margin(one)
    if found is None:
        return ""
    middle, low, high = (_log(value, width) for value in found)
    bound, y = _log(1, width), height / 2
    kind = "kept" if one.kept else "missed"
    words = f"{one.name}: {found[0]:.2f} times the budget, quartiles {found[1]:.2f} to {found[2]:.2f}; {kind}"
    return (f'<svg class="budget {kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" preserveAspectRatio="none" role="img" aria-label="{escape(words)}">'
            f'<title>{escape(words)}</title>'
            f'<rect class="bar" x="{min(bound, middle):.1f}" y="{y - 5:g}" width="{max(abs(middle - bound), 1):.1f}" height="10" rx="1.5"/>'
            f'<path class="whisker" d="M{low:.1f} {y:g}H{high:.1f}M{low:.1f} {y - 4:g}v8M{high:.1f} {y - 4:g}v8"/>'
            f'<path class="bound" d="M{bound:.1f} 1V{height - 1}"/></svg>')


def _log(value: float, width: float) -> float:
    inside = min(max(value, LOW), HIGH)
    return 3 + (width - 6) * (math.log(inside) - math.log(LOW)) / (math.log(HIGH) - math.log(LOW))


def sparkline(values: Sequence[float], width: int = 96, height: int = 22) -> str:
    """The medians of a figure over the history, the last one marked; nothing for less than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    # A quiet figure is drawn quiet: the axis spans a tenth of the middle at least.
    centre, span = (low + high) / 2, max(high - low, abs((low + high) / 2) * 0.1, 1e-9)
    points = [(3 + (width - 6) * number / (len(values) - 1), height / 2 - (value - centre) / span * (height - 8)) for number, value in enumerate(values)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    words = f"{len(values)} entries, from {values[0]:g} to {values[-1]:g}"
    return (f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{words}"><title>{words}</title>'
            f'<path class="line" d="{path}"/><circle class="dot" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2.5"/></svg>')


def curve_plot(curve: Curve, width: int = WIDE, height: int = 210) -> str:
    """A curve with its quartiles as a band, both axes logarithmic where a size spans a decade or more."""
    points = [point for point in curve.points if point[0] > 0 and min(point[1:]) > 0]
    if len(points) < 2:
        return ""
    left, right, top, bottom = 58, 16, 14, 38
    xs, ys = [point[0] for point in points], [value for point in points for value in point[1:]]
    ends_x, ends_y = (min(xs), max(xs)), _ends(min(ys), max(ys))
    log_x, log_y = ends_x[1] / ends_x[0] >= 10, ends_y[1] / ends_y[0] >= 30

    def x(value: float) -> float:
        return left + (width - left - right) * _share(value, ends_x, log_x)

    def y(value: float) -> float:
        return height - bottom - (height - top - bottom) * _share(value, ends_y, log_y)

    marks_x, marks_y = _ticks(ends_x, log_x, xs), _ticks(ends_y, log_y)
    band = "M" + "L".join(f"{x(p[0]):.1f} {y(p[3]):.1f}" for p in points) + "L" + "L".join(f"{x(p[0]):.1f} {y(p[2]):.1f}" for p in reversed(points)) + "Z"
    line = "M" + "L".join(f"{x(p[0]):.1f} {y(p[1]):.1f}" for p in points)
    words = f"{curve.name}: " + ", ".join(f"{_told(p[0])}: {_told(p[1])}" for p in points)
    parts = [f'<svg class="curve" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}"><title>{escape(words)}</title>']
    parts += [f'<path class="grid" d="M{left} {y(v):.1f}H{width - right}"/><text class="tick end" x="{left - 8}" y="{y(v) + 4:.1f}">{_told(v)}</text>' for v in marks_y]
    parts += [f'<text class="tick mid" x="{x(v):.1f}" y="{height - bottom + 17}">{_told(v)}</text>' for v in marks_x]
    parts.append(f'<text class="axis mid" x="{(left + width - right) / 2:g}" y="{height - 4}">{escape(curve.x)}</text>')
    parts.append(f'<path class="band" d="{band}"/><path class="line" d="{line}"/>')
    parts += [f'<circle class="dot" cx="{x(p[0]):.1f}" cy="{y(p[1]):.1f}" r="3"/>' for p in points]
    return "".join(parts) + "</svg>"


def _ends(low: float, high: float) -> tuple[float, float]:
    """Room for a flat curve to be seen flat: at least from half to one and a half times the middle."""
    middle = (low + high) / 2
    return min(low, middle * 0.5), max(high, middle * 1.5)


def _share(value: float, ends: tuple[float, float], log: bool) -> float:
    low, high = ends
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _ticks(ends: tuple[float, float], log: bool, at: Sequence[float] = ()) -> list[float]:
    """Powers of ten, or steps of 1, 2, 5; for an axis of few sizes, these."""
    low, high = ends
    if at and len(at) <= 6:
        return list(at)
    if log:
        powers = [10.0**power for power in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)]
        return powers if len(powers) > 1 else [low, high]
    rough = (high - low) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _told(value: float) -> str:
    if value >= 10_000 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}")
    return f"{value:.3g}"
