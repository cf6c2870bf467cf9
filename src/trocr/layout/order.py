"""Reading order: lines to regions, by their geometry alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from ..document import Line, Point, Polygon, Region
from .columns import Gaps
from .orientation import skew_of
from .outlines import LevelLine, level, outline_of, with_level_rows
from .paragraphs import Block, blocks_of, gaps, rows_of


def regions_in_order(lines: Sequence[Line], width: int, height: int) -> tuple[Region, ...]:
    """Group lines into regions, regions and lines in reading order.

    Args:
        lines: of an upright page, in any order; it does not change the result.
        width, height: of the page's picture, in pixels.

    Returns:
        Regions of the kinds ``"text"``, ``"heading"``, ``"table"`` (rows from top to bottom, each
        from left to right) and ``"marginalia"`` (before the paragraph on their right, after the
        one on their left). Every line is in exactly one. Lines whose place is unknown come last.
    """
    lines = sorted(lines, key=lambda line: (outline_of(line), line.baseline, line.text, repr(line)))
    skew = skew_of(lines)
    levelled = [level(line, skew, width, height) for line in lines]
    placed = [line for line in levelled if line is not None]
    if all(map(_is_upright_box, map(outline_of, lines))):
        placed = with_level_rows(placed)
    regions = [_region(block) for block in _arranged(placed)]
    unplaced = tuple(line for line, known in zip(lines, levelled, strict=True) if known is None)
    return (*regions, Region(unplaced)) if unplaced else tuple(regions)


def _arranged(lines: Sequence[LevelLine]) -> list[Block]:
    if not lines:
        return []
    unit = median(line.height for line in lines)
    flat = [gap for gap in gaps(rows_of(lines, unit)) if gap < 2 * unit]
    blocks = _flow(lines, unit, median(flat) if flat else unit / 2)
    if len(blocks) > 1 and blocks[-1].kind == "heading":
        blocks[-1] = replace(blocks[-1], kind="text")  # nothing follows that it could head
    return blocks


def _flow(lines: Sequence[LevelLine], unit: float, usual_gap: float) -> list[Block]:
    """Blocks in reading order: a gap between columns is cut first, then what is on its sides."""
    if not lines:
        return []
    split = Gaps(lines, unit).best()
    if split is None:
        return blocks_of(rows_of(lines, unit), unit, usual_gap)
    above, left, right, below = (
        _flow(part, unit, usual_gap) for part in (split.above, split.left, split.right, split.below)
    )
    if split.kind == "notes on the left":
        middle = _with_notes(right, left, before=True)
    elif split.kind == "notes on the right":
        middle = _with_notes(left, right, before=False)
    elif split.kind == "right first":
        middle = right + left
    else:
        middle = left + right
    return above + middle + below


def _with_notes(body: Sequence[Block], notes: Sequence[Block], before: bool) -> list[Block]:
    """Notes go before or after the block they start beside, those on the first row before all."""
    slots: list[list[Block]] = [[] for _ in range(len(body) + 1)]
    for note in notes:
        place = note.rows[0].middle
        beside = min(range(len(body)), key=lambda index: _distance(body[index], note))
        on_top = place <= body[0].rows[0].bottom
        slots[beside if before or on_top else beside + 1].append(replace(note, kind="marginalia"))
    ordered = slots[0]
    for block, after in zip(body, slots[1:], strict=True):
        ordered += [block, *after]
    return ordered


def _distance(block: Block, note: Block) -> tuple[float, float]:
    """From the start of a note: up or down to the block, then sideways."""
    place = note.rows[0].middle
    down = max(block.top - place, place - block.bottom, 0.0)
    sideways = max(block.left - note.right, note.left - block.right, 0.0)
    return down, sideways


def _is_upright_box(outline: Polygon) -> bool:
    """Whether an outline says nothing about the slope of its line."""
    xs, ys = {x for x, _ in outline}, {y for _, y in outline}
    return len(outline) <= 4 and len(xs) <= 2 and len(ys) <= 2


def _region(block: Block) -> Region:
    lines = tuple(cell.line for row in block.rows for cell in row.cells)
    return Region(lines, _hull(point for line in lines for point in outline_of(line)), block.kind)


def _hull(points: Iterable[Point]) -> Polygon:
    """The convex hull, clockwise on the page from its leftmost point: Andrew's monotone chain."""
    ordered = sorted(set(points))
    upper, lower = _chain(ordered), _chain(ordered[::-1])
    return (*upper[:-1], *lower[:-1]) or tuple(ordered)


def _chain(points: Sequence[Point]) -> list[Point]:
    chain: list[Point] = []
    for point in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(first: Point, second: Point, third: Point) -> float:
    """Positive where the path turns clockwise on the page."""
    (x0, y0), (x1, y1), (x2, y2) = first, second, third
    return (x1 - x0) * (y2 - y1) - (y1 - y0) * (x2 - x1)
