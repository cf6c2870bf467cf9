"""Two small charts as SVG, styled by the page they are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from .report import ConfidenceScores

WIDTH, HEIGHT = 360, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 42  # margins
PERCENTS = (0, 20, 40, 60, 80, 100)
MAX_TICKS = 6


def reliability_chart(bins: Sequence[ConfidenceScores]) -> Markup:
    """Bars: how many lines are right, by confidence; right on the dashed line."""
    most = max(one.lines for one in bins)
    bars = [
        f'<rect class="bar" x="{_x(one.low):.1f}" y="{_y(one.exact_match / 100):.1f}"'
        f' width="{_x(one.high) - _x(one.low) - 1:.1f}"'
        f' height="{_y(0) - _y(one.exact_match / 100):.1f}">'
        f"<title>{one.lines} lines of confidence {one.low:.2f} to {one.high:.2f}:"
        f" {one.exact_match:.0f} % right</title></rect>"
        f'<circle cx="{_x(one.confidence):.1f}" cy="{_y(one.exact_match / 100):.1f}"'
        f' r="{2 + 5 * (one.lines / most) ** 0.5:.1f}"/>'
        for one in bins
    ]
    ideal = f'<path class="ideal" d="M{_x(0):.1f},{_y(0):.1f}L{_x(1):.1f},{_y(1):.1f}"/>'
    shares = {percent / 100: f"{percent}" for percent in PERCENTS}
    axes = _axes("confidence, %", "lines right, %", shares, shares)
    return _svg("Reliability diagram", [axes, *bars, ideal])


def rejection_chart(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Markup:
    """The CER of the lines kept, the least confident rejected; one curve a model."""
    top = max(cer for points in curves.values() for _, cer in points) or 1.0
    step = next(s for s in _steps() if top / s <= MAX_TICKS - 1)
    ticks = {i * step / top: f"{i * step:g}" for i in range(int(top / step) + 1)}
    lines = [
        f'<polyline class="curve curve-{number}" points="'
        + " ".join(f"{_x(kept / 100):.1f},{_y(cer / top):.1f}" for kept, cer in points)
        + f'"><title>{escape(name)}</title></polyline>'
        for number, (name, points) in enumerate(curves.items())
    ]
    shares = {percent / 100: f"{percent}" for percent in PERCENTS}
    axes = _axes("lines kept, the surest first, %", "CER, %", shares, ticks)
    return _svg("Rejection curve", [axes, *lines])


def _steps() -> list[float]:
    """Distances between ticks, the least first."""
    return [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(x_title: str, y_title: str, x: Mapping[float, str], y: Mapping[float, str]) -> str:
    """Grid lines and their labels, by position from 0 to 1."""
    parts = [
        f'<path class="grid" d="M{_x(0)},{_y(at):.1f}H{_x(1)}"/>'
        f'<text x="{LEFT - 6}" y="{_y(at) + 4:.1f}" text-anchor="end">{label}</text>'
        for at, label in y.items()
    ]
    parts += [
        f'<text x="{_x(at):.1f}" y="{_y(0) + 16}" text-anchor="middle">{label}</text>'
        for at, label in x.items()
    ]
    middle = (_y(0) + _y(1)) / 2
    parts += [
        f'<text x="{_x(0.5)}" y="{HEIGHT - 6}" text-anchor="middle">{x_title}</text>',
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">'
        f"{y_title}</text>",
    ]
    return "".join(parts)


def _svg(title: str, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        + "".join(parts)
        + "</svg>"
    )
