"""Which of several people is animated, and why. Knows where they are in the photo and nothing else of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError

__all__ = ["choose_person"]

_AS_LARGE = 0.7  # of the largest area: among those the most central one is meant


def choose_person(
    bodies_px: Sequence[FloatArray],
    areas: Sequence[float],
    photo_size: tuple[int, int],
    choose: int | Sequence[float] | None = None,
) -> tuple[int, str]:
    """The place in the list of the person who is meant, and the reason in words.

    `bodies_px`: some points (K,2) on the body of each, from left to right; `areas` in px. `choose`: an index, or a
    point x, y on the one wanted; None: the largest, or of about equally large ones the one nearest to the middle.
    Raises `FleximoError` `no_such_person` for a wrong index.
    """
    if choose is None:
        largest = int(np.argmax(areas))
        large = np.flatnonzero(np.asarray(areas) >= _AS_LARGE * areas[largest])
        middle = np.array(photo_size) / 2.0
        away = [np.linalg.norm((bodies_px[i].mean(axis=0) - middle) / max(photo_size)) for i in large]
        chosen = int(large[int(np.argmin(away))])
        return chosen, "the largest" if len(large) == 1 else "the most central of the large ones"
    if isinstance(choose, int):
        if not 0 <= choose < len(bodies_px):
            raise FleximoError(
                f"Person {choose} was chosen; {len(bodies_px)} in the photo, numbered from the left, from 0.",
                code="no_such_person",
            )
        return choose, "as chosen"
    point = np.asarray(choose, dtype=float)
    if point.shape != (2,) or not np.isfinite(point).all():
        raise FleximoError(f"A person is chosen by a number or by a point x, y in photo pixels, not by {choose!r}.")
    return int(np.argmin([np.linalg.norm(body - point, axis=1).min() for body in bodies_px])), "as chosen"
