"""What a parity check is: named cases that run to a largest error, and how arrays are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Case", "compare"]


@dataclass(frozen=True)
class Case:
    """A comparison with given data: `run` returns (error, tolerance) of each array; or why it is skipped."""

    name: str
    run: Callable[[], Sequence[tuple[float, float]]] | None = None
    skipped: str = ""

    def verdict(self) -> tuple[bool, str]:
        """Whether the case did not fail, and its line: ok / FAIL / skipped, largest error, tolerance."""
        if self.run is None:
            return True, f"skipped  {self.name}: {self.skipped}"
        try:
            errors = list(self.run())
        except Exception as error:  # a crash of the code under test is that case's failure, not the command's
            return False, f"FAIL     {self.name}: {type(error).__name__}: {error}"
        if not errors:
            return False, f"FAIL     {self.name}: nothing was compared"
        passed = all(error <= tolerance for error, tolerance in errors)
        worst, tolerance = max(errors, key=lambda pair: (pair[0] > pair[1], pair[0]))
        return (
            passed,
            f"{'ok      ' if passed else 'FAIL    '} {self.name}: largest error {worst:.3g} (<= {tolerance:g})",
        )


def compare(found: npt.NDArray[Any], given: npt.NDArray[Any], tolerance: float) -> tuple[float, float]:
    """(largest error, tolerance) where `given` is a number; infinite if shapes differ or ours is not finite."""
    if found.shape != given.shape or not np.isfinite(found).all():
        return np.inf, tolerance
    known = np.isfinite(given)
    return (float(np.abs(found[known] - given[known]).max()) if known.any() else 0.0), tolerance
