"""How a number of the boards is said, on the page and on a terminal alike."""

from collections.abc import Sequence

NONE = "–"


def number(value: float, digits: int = 2, signed: bool = False) -> str:
    """With a minus that is as wide as a plus, and none before zero.

    >>> number(-0.5), number(1.25, 1, signed=True), number(-0.001)
    ('−0.50', '+1.2', '0.00')
    """
    return f"{value:{'+' if signed else ''}z.{digits}f}".replace("-", "−")


def interval(value: float | None, low: float | None, high: float | None, digits: int = 2, signed: bool = False) -> str:
    """`0.87 [0.80, 0.94]`; the value alone where it has no limits."""
    if value is None:
        return NONE
    limits = low is not None and high is not None
    ends = f" [{number(low or 0.0, digits, signed)}, {number(high or 0.0, digits, signed)}]" if limits else ""
    return number(value, digits, signed) + ends


def places(rank: Sequence[int] | None) -> str:
    """`2`, `1–3`: the places that a row may have."""
    if rank is None:
        return NONE
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def amount(value: float | None) -> str:
    """Three digits and a thousand, million or milliard: `24.8k`, `1.31M`, `512`."""
    if value is None:
        return NONE
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{letter}" if value < 999.5 * size else f"{value / size:.0f}{letter}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """`48 s`, `12 min`, `1 h 05 min`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def trainings(finished: int, diverged: int, failed: int) -> str:
    """`21/21`; `19/21, 1 diverged, 1 failed`."""
    lost = [f"{n} {name}" for name, n in (("diverged", diverged), ("failed", failed)) if n]
    return ", ".join([f"{finished}/{finished + diverged + failed}", *lost])
