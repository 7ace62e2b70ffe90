"""Mean and deviation that undo the normalisation the VQ-VAE was trained with, and what betrays the wrong ones.

T2M-GPT uses its evaluator's statistics, whose deviations of root and contacts are 25 times smaller than HumanML3D's
(T2M-GPT issue #33): with the others a person turns and travels 25 times too far.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fleximo.arrays import FloatArray, freeze
from fleximo.errors import FleximoError, Notice
from fleximo.files import read_bytes
from fleximo.formats.humanml import FEATURES, implausible_features

__all__ = ["Statistics"]

_CONTACTS = slice(259, 263)
_RAW_CONTACTS = 0.1  # a label of 0 or 1 deviates by 0.36 in HumanML3D; the model's own statistics say 0.014


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the 263 features of a frame."""

    mean: FloatArray  # (263,)
    deviation: FloatArray  # (263,), all above 0

    @classmethod
    def load(cls, mean: Path, deviation: Path) -> Statistics:
        """Reads two `.npy` files; raises `FleximoError` (`bad_checkpoint`) where they hold no statistics."""
        arrays = []
        for path in (mean, deviation):
            try:
                array = np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
                arrays.append(freeze(array, (FEATURES,), name=path.name, dtype=np.float64))
            except (ValueError, EOFError, OSError, FleximoError) as error:
                raise _no_statistics(path, f"{error}") from None
        if (arrays[1] <= 0.0).any():
            raise _no_statistics(deviation, "some deviations are not above 0")
        return cls(*arrays)

    def undo(self, normalised: FloatArray) -> FloatArray:
        """Raw features (T,263) of the network's output."""
        return np.asarray(normalised.astype(np.float64) * self.deviation + self.mean)

    def doubt(self, features: FloatArray) -> Notice | None:
        """A notice if these do not look like the model's statistics, or raw `features` (T,263) like a person."""
        if float(np.median(self.deviation[_CONTACTS])) > _RAW_CONTACTS:
            return Notice(
                "implausible_motion",
                "The statistics look like HumanML3D's own (Mean.npy, Std.npy), not like those that T2M-GPT was trained "
                "with: the person turns and travels 25 times too far.",
                "Use the meta/mean.npy and meta/std.npy that come with the weights.",
            )
        return implausible_features(features)


def _no_statistics(path: Path, why: str) -> FleximoError:
    return FleximoError(
        f"{path} holds no statistics of {FEATURES} features: {why}.",
        code="bad_checkpoint",
        remedy="Take meta/mean.npy and meta/std.npy of T2M-GPT's own download.",
    )
