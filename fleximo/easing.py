"""Ways from 0 to 1: the two curves by which everything here is eased.

Knows no time and no joints; curves through keys are `moves.easing`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray

__all__ = ["minimum_jerk", "smoothstep"]


def minimum_jerk(x: npt.ArrayLike) -> FloatArray:
    """0..1 with zero speed and acceleration at both ends (Flash & Hogan 1985); clamped outside.

    >>> minimum_jerk([-1.0, 0.5, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    x = np.clip(np.asarray(x, dtype=np.float64), 0.0, 1.0)
    return np.asarray(x * x * x * (10.0 - 15.0 * x + 6.0 * x * x))


def smoothstep(x: FloatArray) -> FloatArray:
    """0..1 with zero speed at both ends; clamped outside, in the precision of `x`."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))
