"""A run that `--keep` kept, as a take again: with another motion it gives the job of the changed frames.

Knows the names of the kept files; renders nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from backend import reports
from backend.adapters import Completed, complete_job
from backend.refine import REFINED_TRACK, as_seen
from backend.rendering import Rendered
from backend.stages import Progress, silent
from fleximo.changes import changed_frames
from fleximo.errors import FleximoError, Notice
from fleximo.files import read_json, write_json
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.rescale import apply_fit
from fleximo.staging import stride_in_frame
from fleximo.take import Take

__all__ = ["Kept"]

_MODES = ("bones", "paper", "off")


@dataclass(frozen=True)
class Kept:
    """The folder of a kept run, and what was rendered in it."""

    folder: Path
    job: RenderJob

    @classmethod
    def load(cls, report: Path) -> Kept:
        """The run of a `report.json`, or of the folder that holds it. Raises `FleximoError`."""
        folder = report if report.is_dir() else report.parent
        for name in ("job.json", "master.mkv", "video.mp4"):
            if not (folder / name).is_file():
                raise FleximoError(
                    f"{folder} holds no kept run: {name} is missing.",
                    code="not_a_kept_run",
                    remedy="Give the folder of a run with --keep, or its report.json.",
                )
        return cls(folder, RenderJob.load(folder))

    @property
    def motion(self) -> Motion:
        """As planned, on its own body."""
        return Motion.load(self.folder / "motion.npz")

    def take(self) -> Take:
        """The take that the run was rendered from; raises `FleximoError` where its files no longer tell it."""
        job, motion = self.job, self.motion
        document = read_json(self.folder / "report.json")
        mode = str(document.get("stages", {}).get("rescale", {}).get("implementation"))
        if mode not in _MODES:
            raise FleximoError(f"The report in {self.folder} does not tell how the motion was fitted.")
        take = Take.begin(
            motion,
            job.person,
            job.photo,
            fps=job.fps,
            rescale=mode,
            framing=job.framing,
            camera=job.camera,
            engine=job.engine,
            settings=job.settings,
            seed=job.seed,
        )
        if mode != "paper":  # the run's own camera was fitted, and then steps are kept inside the picture
            stride = stride_in_frame(apply_fit(motion, take.fit), take.camera, take.person)
            take = replace(take, fit=replace(take.fit, stride=stride))
        if changed_frames(job.signal.track, take.track()).any():
            raise FleximoError(
                f"The motion in {self.folder} no longer gives the skeleton that was rendered.",
                code="run_differs",
                remedy="Another version made it: render the whole again with fleximo animate.",
            )
        return take

    def with_motion(self, motion: Motion, progress: Progress = silent, folder: Path | None = None) -> Completed:
        """The job of the run with another motion, on the same body, camera and framing, by the same adapter.

        In `folder` a stopped adapter finds what it has done.
        """
        job = replace(self.take().with_motion(motion).job(), retime=self.job.retime)
        if self.job.signal.drawn_frames is None:
            return Completed(job)
        stages = read_json(self.folder / "report.json")["stages"]
        return complete_job(job, stages["adapter"]["implementation"], progress, folder)

    def as_seen(self, job: RenderJob) -> tuple[RenderJob, RenderJob]:
        """`job`, which changes the run, and the run's own job, as the engine sees them: refined, where the run was."""
        return as_seen(job, self.job, self.folder)

    def keep(
        self,
        folder: Path,
        job: RenderJob,
        motion: Motion,
        rendered: Rendered,
        notices: tuple[Notice, ...],
        chosen: RenderJob | None = None,
    ) -> None:
        """Writes beside a new render what makes it a kept run of its own.

        `chosen`: the job of a range in it; the run's own job stays what later changes are compared with.
        """
        job = replace(job, window=None, previous=None)
        job.save(folder)
        motion.save(folder / "motion.npz")
        seen = self.as_seen(job)[0]
        for name in ("pose_track.npz", REFINED_TRACK) if seen is not job else ("pose_track.npz",):
            seen.signal.track.save(folder / name)
        former = read_json(self.folder / "report.json")
        document = former | reports.render_report(job, rendered, notices)
        document["stages"] = former["stages"] | document["stages"]
        document["fidelity"] = _least(former["fidelity"], document["fidelity"])
        if chosen is not None:
            told = reports.render_report(chosen, rendered, ())
            document["fidelity"] = _least(document["fidelity"], told["fidelity"])
            document["range"] = {name: told[name] for name in ("engine", "settings", "seed", "fidelity", "models")}
            document["range"]["frames"] = list(chosen.frames)
        write_json(folder / "report.json", document)


def _least(*fidelities: str) -> str:
    """What a video is that has frames of all of these."""
    return min(fidelities, key=("stand_in", "draft", "full").index)
