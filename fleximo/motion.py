"""A 3D motion: local joint rotations and the root's path over time, with foot contacts.

World: metres, Y up, floor y = 0, subject faces +Z at yaw 0, +X is the subject's left. Knows no camera.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from fleximo import kinematics
from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray, freeze
from fleximo.errors import FleximoError
from fleximo.files import read_bytes, read_npz, reading, write_atomic
from fleximo.rig import DEFAULT_RIG, Rig
from fleximo.timing import as_fps, resample_positions

__all__ = ["Motion"]

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Motion:
    """`T` frames of a rig's pose."""

    rotations: FloatArray  # (T,J,4) local unit quaternions wxyz
    root: FloatArray  # (T,3) world position of the pelvis in m
    fps: Fraction
    contacts: BoolArray  # (T,2) left, right toe planted
    rig: Rig = DEFAULT_RIG

    def __post_init__(self) -> None:
        joints = len(self.rig.joint_names)
        rotations = freeze(self.rotations, (None, joints, 4), name="Motion.rotations")
        count = rotations.shape[0]
        if count == 0:
            raise FleximoError("A motion needs at least one frame.")
        if np.abs(np.linalg.norm(rotations, axis=-1) - 1.0).max() > 1e-3:
            raise FleximoError("Motion.rotations must be unit quaternions (w, x, y, z); some have another length.")
        object.__setattr__(self, "rotations", rotations)
        object.__setattr__(self, "root", freeze(self.root, (count, 3), name="Motion.root"))
        object.__setattr__(self, "contacts", freeze(self.contacts, (count, 2), name="Motion.contacts", dtype=np.bool_))
        object.__setattr__(self, "fps", as_fps(self.fps))

    def __len__(self) -> int:
        return int(self.rotations.shape[0])

    def __getitem__(self, frames: slice) -> Motion:
        """The frames `[start:stop]` as a motion of its own."""
        return replace(self, rotations=self.rotations[frames], root=self.root[frames], contacts=self.contacts[frames])

    @property
    def seconds(self) -> float:
        return float(len(self) / self.fps)

    @cached_property
    def _forward(self) -> tuple[FloatArray, FloatArray]:
        return kinematics.forward(self.rig, self.rotations.astype(np.float64), self.root.astype(np.float64))

    def joints(self) -> FloatArray:
        """World positions of all joints, (T,J,3) m."""
        return self._forward[1]

    def world_rotations(self) -> FloatArray:
        """World rotations of all joints, (T,J,4) wxyz."""
        return self._forward[0]

    def positions(self, *names: str) -> FloatArray:
        """World positions (T,N,3) in m of the joints or landmarks called `names`."""
        return kinematics.landmark_positions(self.rig, *self._forward, names)

    def resample(self, fps: float | Fraction) -> Motion:
        """The same motion at another rate: rotations by slerp, the root linearly, contacts from the nearest frame."""
        target = as_fps(fps)
        if target == self.fps:
            return self
        return self.at(resample_positions(len(self), self.fps, target), target)

    def at(self, positions: FloatArray, fps: Fraction) -> Motion:
        """The poses at fractional frame numbers (N,) in 0..T-1, as a motion of `fps`."""
        low = np.floor(positions).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        t = positions - low
        return replace(
            self,
            rotations=rot.slerp(self.rotations[low], self.rotations[high], t[:, None]),
            root=self.root[low] * (1.0 - t[:, None]) + self.root[high] * t[:, None],
            contacts=self.contacts[np.round(positions).astype(int)],
            fps=fps,
        )

    def to_bytes(self) -> bytes:
        """The content of `motion.npz`: the rig's names, parents, offsets and landmarks travel along."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            rotations=self.rotations,
            root=self.root,
            fps=np.float64(self.fps),
            contacts=self.contacts,
            joint_names=np.array(self.rig.joint_names),
            parents=self.rig.parents,
            rest_offsets=self.rig.rest_offsets,
            landmark_names=np.array(list(self.rig.landmarks)),
            landmark_joints=np.array([joint for joint, _ in self.rig.landmarks.values()]),
            landmark_offsets=np.array([offset for _, offset in self.rig.landmarks.values()]).reshape(-1, 3),
            format_version=np.int32(FORMAT_VERSION),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Motion:
        """Reads what `to_bytes` wrote; landmarks may be absent. Raises `FleximoError` on anything else."""
        arrays = read_npz(
            content,
            required=("rotations", "root", "fps", "contacts", "joint_names", "parents", "rest_offsets"),
            what="motion",
            newest=FORMAT_VERSION,
        )
        with reading("motion"):
            names = tuple(str(name) for name in arrays["joint_names"])
            landmarks = {
                str(name): (str(joint), (float(x), float(y), float(z)))
                for name, joint, (x, y, z) in zip(
                    arrays.get("landmark_names", ()),
                    arrays.get("landmark_joints", ()),
                    arrays.get("landmark_offsets", ()),
                )
            }
            if not landmarks and names == DEFAULT_RIG.joint_names:
                landmarks = dict(DEFAULT_RIG.landmarks)
            rig = Rig(names, arrays["parents"], arrays["rest_offsets"], landmarks)
            fps = as_fps(float(arrays["fps"]))
            return cls(arrays["rotations"], arrays["root"], fps, arrays["contacts"], rig)

    def save(self, path: str | Path) -> None:
        """Writes `motion.npz`, all or nothing."""
        write_atomic(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Motion:
        """Reads a `motion.npz`; raises `FleximoError` that names the file."""
        return cls.from_bytes(read_bytes(Path(path)))
