"""Numerical derivatives of a function that is only sampled, each with what it may be off by, and its kind of trouble.

The central difference (f(x + h) - f(x - h)) / 2h is off by a series in h², and by the rounding of f over h. Taken for
steps that shrink by 4, it is extrapolated to h = 0, and the entry of the table that agrees best with its neighbours is
taken (C. Ridders, Accurate computation of F'(x), 1982; W. H. Press et al., Numerical Recipes, section 5.7). Large steps
serve functions that are large and flat, small ones those that turn quickly or end nearby.

Where the slopes to the left and to the right differ at the smallest steps as they do at larger ones there is a kink;
where the values differ, a jump. Curvature makes slopes differ too, but in proportion to the step.
"""

from __future__ import annotations

from math import inf, isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Sample = tuple[float, float, float, float]  # step up, f there, step down, f there

_EPSILON = 2.0**-52
_TINY = 2.0**-1070  # a few of the smallest steps between numbers, which rounding cannot go below
_WINDOW = 4  # steps over which a kink or a jump must stay what it is
_ORDERS = 4  # powers of h² that are extrapolated away


class Slope:
    """A numerical derivative.

    value         the extrapolated central difference; nan where there is none
    uncertainty   how far it may be from the derivative
    left, right   the slopes to both sides, at the smallest step that tells them from rounding
    kind          "smooth", "kink", "jump" or "not finite"
    """

    __slots__ = ("value", "uncertainty", "left", "right", "kind")

    def __init__(self, value: float, uncertainty: float, left: float, right: float, kind: str) -> None:
        self.value, self.uncertainty, self.left, self.right, self.kind = value, uncertainty, left, right, kind


def first_steps(x: float) -> list[float]:
    """Three steps, enough for a function that is smooth on the scale of x and not much larger than its slope."""
    scale = max(1.0, abs(x))
    return [scale * 2.0**-k for k in (10, 12, 14)]


def all_steps(x: float) -> list[list[float]]:
    """Steps from a quarter of the scale of x downwards; and where x is tiny, from a quarter of x itself."""
    scale = max(1.0, abs(x))
    families = [[scale * 2.0**-k for k in range(2, 48, 2)]]
    if 0 < abs(x) < 2.0**-10:
        families.append([abs(x) * 2.0**-k for k in range(2, 26, 2)])
    return families


def slope(here: float, families: Sequence[Sequence[Sample]], noise: float) -> Slope:
    """The derivative from samples, given in families of shrinking steps.

    here    the function at the point
    noise   the rounding error that the function has there
    """
    best = Slope(float("nan"), inf, float("nan"), float("nan"), "not finite")
    if not isfinite(here):
        return best
    diverging = False
    for family in families:
        kept = _finite(family)
        if not kept:
            continue
        value, uncertainty = _extrapolated(kept, here, noise)
        kind, at = _kind(kept, here, noise)
        up, above, down, below = kept[at]
        found = Slope(value, uncertainty, (here - below) / down, (above - here) / up, kind)
        diverging = _diverges(kept, noise)
        if best.kind == "not finite" or _closer(found, best):
            best = found
    if best.kind == "smooth" and diverging:
        best.kind = "not finite"
    return best


def _closer(found: Slope, best: Slope) -> bool:
    """Whether smaller steps tell more than larger ones, to which what lies beside the point looks like part of it.

    What was taken for a kink or a jump is none where smaller steps see a slope, and know it well.
    """
    if found.kind != "smooth":
        return best.kind == "smooth"
    if best.kind != "smooth":
        return found.uncertainty <= max(1e-4 * abs(best.right - best.left), 1e-6 * abs(found.value))
    apart = abs(found.value - best.value) > 2 * (found.uncertainty + best.uncertainty)
    return apart or found.uncertainty < best.uncertainty


def is_quiet(samples: Sequence[Sample], here: float, noise: float) -> bool:
    """Whether the slopes to both sides come together, as they do in the absence of kinks and jumps."""
    (_, first), (limit, last) = _bend(samples[0], here, noise), _bend(samples[-1], here, noise)
    return abs(last) <= abs(first) / 4 + limit


def _finite(family: Sequence[Sample]) -> list[Sample]:
    """The steps from the first one on from which no value is nan or infinite. None where the smallest step has one."""
    kept: list[Sample] = []
    for sample in family:
        if all(map(isfinite, sample)):
            kept.append(sample)
        else:
            kept = []
    return kept


def _extrapolated(samples: Sequence[Sample], here: float, noise: float) -> tuple[float, float]:
    """The central difference at step 0, and its uncertainty."""
    above: list[float] = []  # the row of the table for the step before: orders 0, 1, 2, ...
    steps: list[float] = []
    rows: list[tuple[float, float, float, float]] = []  # best number, how far it may be off, difference, its rounding
    for up, f, down, g in samples:
        h = (up + down) / 2
        rounding = (noise + _EPSILON * max(abs(f - here), abs(g - here)) + _TINY) / h
        row = [(f - g) / (up + down)]
        steps.append(h)
        best = row[0], inf
        for k in range(1, min(len(steps), _ORDERS + 1)):
            gain = (steps[-1 - k] / h) ** 2 - 1
            row.append(row[-1] + (row[-1] - above[k - 1]) / gain)
            off = max(abs(row[k] - row[k - 1]), abs(row[k] - above[k - 1]))
            # What has not begun to settle may be further off than it moved last.
            off = (off if off <= abs(row[k]) / 4 else 10 * off) + rounding
            if off < best[1]:
                best = row[k], off
        rows.append((*best, row[0], rounding))
        above = row
    # A larger step knows the number better where the differences at all smaller steps bear it out: a wave, or a bell
    # that is narrower than the step, looks flat to it.
    value, uncertainty, *_ = rows[-1]
    for i, (other, off, difference, _) in enumerate(rows):
        reach = 2 * abs(difference - other) + 10 * off
        if off < uncertainty and all(abs(d - other) <= reach + 10 * rounding for *_, d, rounding in rows[i + 1 :]):
            value, uncertainty = other, off
    return value, uncertainty


def _bend(sample: Sample, here: float, noise: float) -> tuple[float, float]:
    """How much of a difference between the slopes to both sides rounding explains, and the difference."""
    up, f, down, g = sample
    limit = 8 * (noise + _EPSILON * max(abs(f - here), abs(g - here))) / min(up, down)
    return limit, (f - here) / up - (here - g) / down


def _kind(samples: Sequence[Sample], here: float, noise: float) -> tuple[str, int]:
    """What the function does at the point, and the index of the sample whose slopes show it."""
    last = len(samples) - 1
    smallest = samples[-_WINDOW:]
    if len(smallest) == _WINDOW:
        for side in (1, 3):
            heights = [sample[side] - here for sample in smallest]
            if _alike(heights, 1.2) and min(map(abs, heights)) > 100 * noise:
                # A slope so steep that it looks like a step would shrink with the step.
                return "jump", last
    bends = [_bend(sample, here, noise) for sample in samples]
    drowned = inf  # a bend larger than this would have been seen at a smaller step
    for end in range(len(samples), _WINDOW - 1, -1):
        window = bends[end - _WINDOW : end]
        if all(abs(bend) > limit for limit, bend in window):
            size = abs(window[-1][1])
            if _alike([bend for _, bend in window], 1.5) and size <= drowned:
                return "kink", end - 1
            break
        drowned = min(drowned, 2 * window[-1][0])
    return "smooth", last


def _alike(numbers: Sequence[float], factor: float) -> bool:
    """Whether all have one sign and their sizes lie within the factor."""
    sizes = [abs(x) for x in numbers]
    one_sign = all(x > 0 for x in numbers) or all(x < 0 for x in numbers)
    return one_sign and max(sizes) <= factor * min(sizes)


def _diverges(samples: Sequence[Sample], noise: float) -> bool:
    """Whether the central difference grows without end as the step shrinks, as that of a cube root at 0."""
    slopes = [abs(f - g) / (up + down) for up, f, down, g in samples[-6:]]
    clear = all(abs(f - g) > 100 * noise for _, f, _, g in samples[-6:])
    return len(slopes) == 6 and clear and all(b > 1.3 * a for a, b in zip(slopes, slopes[1:]))
