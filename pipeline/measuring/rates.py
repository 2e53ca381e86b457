"""A share of images, with the count behind it and what that count can say."""

import math
from dataclasses import dataclass
from typing import Any

# The two-sided 95 % quantile of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A count of images, out of a total.

    Attributes:
        count: images that did, 0..total.
        total: images that could have.

    Raises:
        ValueError: the count is not in 0..total.
    """

    count: int
    total: int

    def __post_init__(self):
        if not 0 <= self.count <= self.total:
            raise ValueError(f"a rate of {self.count} in {self.total}; expected a count in 0..{self.total}")

    @property
    def value(self) -> float:
        """The share, 0..1; NaN where there was no image."""
        return self.count / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson (JASA 1927), low and high in 0..1; NaN where there was no image.

        Unlike the textbook's interval it stays inside 0..1 and does not shrink to a point at 0 % and 100 %, where the
        rates of a backdoor and of its cure live.
        """
        if not self.total:
            return math.nan, math.nan
        n, share, z2 = self.total, self.value, _Z * _Z
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        low = 0.0 if self.count == 0 else max(0.0, centre - half)
        high = 1.0 if self.count == self.total else min(1.0, centre + half)
        return low, high

    def __str__(self) -> str:
        """Such as `94.7 % [93.9, 95.5] (2842/3000)`."""
        if not self.total:
            return "no images"
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({self.count}/{self.total})"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON types: count, total, and value, low, high in 0..1, null where there was no image."""
        low, high = self.interval
        known = self.total > 0
        return {
            "count": self.count,
            "total": self.total,
            "value": self.value if known else None,
            "low": low if known else None,
            "high": high if known else None,
        }
