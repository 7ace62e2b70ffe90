"""From a motion on any body to the same motion on the person of the photo, matched as bone lengths in 3D.

Knows rigs, motions and the person's measures; nothing of cameras (that is `camera_fit`) or pixels (`projection`).
"""

from __future__ import annotations

from fleximo.bones import BONES, measure_bones

__all__ = ["BONES", "measure_bones"]
