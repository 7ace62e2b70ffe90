"""Which vertices of MediaPipe's 468-point face mesh stand for the 68 face points. Knows no picture.

The 68 points are those of the 300-W annotation: jaw from the subject's right ear to the left, brows, nose, eyes, mouth.
Jaw vertices are spaced evenly along the mesh's oval, as annotators space theirs.
"""

from __future__ import annotations

import numpy as np

__all__ = ["FACE_68_OF_MESH", "LEFT_EYE_68", "MIRRORED_68", "NOSE_TIP_68", "RIGHT_EYE_68"]

_JAW = (127, 234, 132, 58, 172, 136, 149, 176, 152, 400, 378, 365, 397, 288, 361, 454, 356)
_RIGHT_BROW = (70, 63, 105, 66, 107)  # outer end first
_LEFT_BROW = (336, 296, 334, 293, 300)  # inner end first
_NOSE_BRIDGE = (168, 197, 195, 4)
_NOSTRILS = (98, 97, 2, 326, 327)
_RIGHT_EYE = (33, 160, 158, 133, 153, 144)  # outer corner, lid, inner corner, lower lid
_LEFT_EYE = (362, 385, 387, 263, 373, 380)  # inner corner, lid, outer corner, lower lid
_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
_MOUTH = (78, 81, 13, 311, 308, 402, 14, 178)

FACE_68_OF_MESH = np.array(
    _JAW + _RIGHT_BROW + _LEFT_BROW + _NOSE_BRIDGE + _NOSTRILS + _RIGHT_EYE + _LEFT_EYE + _LIPS + _MOUTH
)
FACE_68_OF_MESH.setflags(write=False)

NOSE_TIP_68, RIGHT_EYE_68, LEFT_EYE_68 = 30, slice(36, 42), slice(42, 48)

MIRRORED_68 = np.array(
    list(range(16, -1, -1)) + list(range(26, 16, -1)) + [27, 28, 29, 30] + [35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46] + [39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55] + [64, 63, 62, 61, 60, 67, 66, 65]
)  # fmt: skip
# ^ the point that a left/right flip of the picture turns each one into
MIRRORED_68.setflags(write=False)
