"""A take frozen for rendering: everything an engine needs, as one document plus blobs named by their digest.

Versioned JSON for the small things, npz and the photo's own bytes as blobs; the document's hash is the cache key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fleximo.camera import Camera, Framing
from fleximo.errors import FleximoError
from fleximo.files import canonical_json, read_bytes, read_json, write_atomic, write_json
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.pose_track import PoseSignal, PoseTrack

__all__ = ["RETIME", "RenderJob", "blob_digest"]

FORMAT_VERSION = 1
# An engine with a rate of its own renders at that rate and the frames between are found by optical flow ("flow") or
# repeated ("none"); or it renders every delivered frame all the same ("dense").
RETIME = ("flow", "dense", "none")
_BLOBS = ("photo", "person", "camera", "motion", "pose_track")


def blob_digest(content: bytes) -> str:
    """The sha256 by which a blob is named, 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, eq=False)
class RenderJob:
    """One call of a video engine. `motion`, `camera` and `signal` have the same frames at the rate of delivery."""

    photo: bytes  # the picture file as the user gave it: PNG, JPEG or WebP
    person: Person
    framing: Framing
    camera: Camera
    motion: Motion  # fitted to the person's bone lengths
    signal: PoseSignal
    engine: str = "draft"
    settings: Mapping[str, Any] = field(default_factory=dict)  # JSON values; the engine's own config
    seed: int = 0
    window: tuple[int, int] | None = None  # render only the frames [start, stop); None = all
    previous: str | None = None  # sha256 of the master whose frames outside `window` are kept
    retime: str = "flow"  # how the frames of an engine with a rate of its own become the track's, see RETIME

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        if self.retime not in RETIME:
            raise FleximoError(f"There is no way of retiming called {self.retime!r}; use one of: {', '.join(RETIME)}.")
        track = self.signal.track
        if not len(track) == len(self.motion):
            raise FleximoError(f"The pose track has {len(track)} frames, the motion {len(self.motion)}.")
        if track.fps != self.motion.fps:
            raise FleximoError(f"The pose track runs at {track.fps} fps, the motion at {self.motion.fps}.")
        if not track.size == self.camera.size == self.framing.canvas_size:
            raise FleximoError(
                f"The sizes of pose track {track.size}, camera {self.camera.size} and canvas "
                f"{self.framing.canvas_size} differ."
            )
        start, stop = self.frames
        if not 0 <= start < stop <= len(track):
            raise FleximoError(f"The frames {start} to {stop} lie outside the job's 0 to {len(track)}.")

    @property
    def fps(self) -> Fraction:
        return self.signal.track.fps

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) px of the video."""
        return self.signal.track.size

    @property
    def frames(self) -> tuple[int, int]:
        """The half-open range of frames to render."""
        return self.window if self.window is not None else (0, len(self.signal.track))

    def with_window(self, start: int, stop: int) -> RenderJob:
        return replace(self, window=(start, stop))

    def document(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The job as JSON and the blobs {sha256: bytes} that it names."""
        contents = {
            "photo": self.photo,
            "person": canonical_json(self.person.to_json()),
            "camera": self.camera.to_bytes(),
            "motion": self.motion.to_bytes(),
            "pose_track": self.signal.track.to_bytes(),
        }
        if self.signal.drawn_frames is not None:
            contents["drawn_frames"] = self.signal.drawn_frames
        digests = {name: blob_digest(content) for name, content in contents.items()}
        document = {
            "format_version": FORMAT_VERSION,
            "engine": self.engine,
            "settings": dict(self.settings),
            "seed": self.seed,
            "window": None if self.window is None else list(self.window),
            "previous": self.previous,
            "retime": self.retime,
            "framing": self.framing.to_json(),
            "blobs": digests,
        }
        return document, {digests[name]: content for name, content in contents.items()}

    @property
    def digest(self) -> str:
        """The cache key: sha256 of the canonical document (which names its blobs by digest)."""
        return blob_digest(canonical_json(self.document()[0]))

    def save(self, folder: Path) -> None:
        """Writes `job.json` and `blobs/<sha256>` into `folder`, the document last: it names only what is there."""
        document, blobs = self.document()
        for digest, content in blobs.items():
            if not (folder / "blobs" / digest).is_file():
                write_atomic(folder / "blobs" / digest, content)
        write_json(folder / "job.json", document)

    @classmethod
    def load(cls, folder: Path) -> RenderJob:
        """Reads what `save` wrote; each blob is checked against its digest. Raises `FleximoError`."""

        def read_blob(digest: str) -> bytes:
            content = read_bytes(folder / "blobs" / Path(digest).name)
            if blob_digest(content) != digest:
                raise FleximoError(f"The blob {digest} in {folder} is damaged.", code="damaged_blob")
            return content

        return cls.from_document(read_json(folder / "job.json"), read_blob)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], read_blob: Callable[[str], bytes]) -> RenderJob:
        """Reads what `document` wrote; `read_blob` gives the bytes of a digest. Raises `FleximoError`."""
        try:
            if int(document["format_version"]) > FORMAT_VERSION:
                raise FleximoError("The job comes from a newer version.", code="newer_format", remedy="Update Fleximo.")
            digests = document["blobs"]
            photo, person, camera, motion, track = (read_blob(str(digests[name])) for name in _BLOBS)
            drawn = read_blob(str(digests["drawn_frames"])) if "drawn_frames" in digests else None
            window = document["window"]
            return cls(
                photo=photo,
                person=Person.from_json(json.loads(person)),
                framing=Framing.from_json(document["framing"]),
                camera=Camera.from_bytes(camera),
                motion=Motion.from_bytes(motion),
                signal=PoseSignal(PoseTrack.from_bytes(track), drawn),
                engine=str(document["engine"]),
                settings=dict(document["settings"]),
                seed=int(document["seed"]),
                window=None if window is None else (int(window[0]), int(window[1])),
                previous=None if document["previous"] is None else str(document["previous"]),
                retime=str(document.get("retime", "flow")),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FleximoError(f"The render job cannot be read: {error!r}.") from None
