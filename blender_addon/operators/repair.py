"""A bad second repaired: chosen frames rendered once more, up to four ways, looked at, and one of them accepted.

No key changes. Each variant is the whole video with other frames in the range, so accepting is choosing its files.
"""

# mypy: disable-error-code="valid-type"

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import bpy

from fleximo.errors import Cancelled, FleximoError
from fleximo.job import RenderJob

from .. import check_marks, compat, offers, sequencer, takes
from ..preferences import file_stem, server_folder, stored_path, video_folder
from ..remote import renders, serving
from ..session import Report, Task, Work
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator
from .orders import KIND, insert, scene_of
from .render import LastRender, take_steps, why_not

__all__ = ["CLASSES", "Wish", "range_task"]

_MOST_SEED = 2**31 - 1  # that Blender's numbers hold


@dataclass(frozen=True)
class Wish:
    """What is asked of a range."""

    window: tuple[int, int]  # frames of the video
    variants: int
    seed: int  # of the first variant; -1: one that has not been tried
    engine: str  # empty: the take's
    steps: int  # 0: as the engine does
    tried: int = 0  # the highest seed that has been tried on the take

    def jobs(self, job: RenderJob, master_digest: str) -> list[RenderJob]:
        """The take's job, once for each variant."""
        engine = self.engine or job.engine
        settings = dict(job.settings) if engine == job.engine else {}
        settings |= {"steps": self.steps} if self.steps else {}
        first = max(job.seed, self.tried) + 1 if self.seed < 0 else self.seed
        return [
            replace(renders.changing(job, self.window, master_digest), engine=engine, settings=settings, seed=first + n)
            for n in range(self.variants)
        ]


def _unedited(last: LastRender, job: RenderJob) -> None:
    """Raises `FleximoError` where the take is no longer as it was rendered."""
    why = last.why_full(job) or ("its motion has changed" if last.ranges(job) else None)
    if why is not None:
        raise FleximoError(
            f"The take is no longer as it was rendered: {why}.",
            code="take_edited",
            remedy="Press Render Changed first, then repair the range.",
        )


class FLEXIMO_OT_render_range(TaskOperator, bpy.types.Operator):
    """Render some frames of the video once more, with another seed, other steps or another engine; no key changes"""

    bl_idname = "fleximo.render_range"
    bl_label = "Render Range Again"
    bl_options = LEAVES_FILE
    kind = KIND

    first: bpy.props.IntProperty(name="First", description="First scene frame of the range")
    last: bpy.props.IntProperty(name="Last", description="Last scene frame of the range; 0: the preview range")
    variants: bpy.props.IntProperty(name="Variants", description="How many to choose from", default=1, min=1, max=4)
    seed: bpy.props.IntProperty(
        name="Seed", description="Of the first variant; -1: one that has not been tried", default=-1, min=-1
    )
    steps: bpy.props.IntProperty(name="Steps", description="Denoising steps; 0: as many as the engine takes", min=0)
    engine: bpy.props.StringProperty(name="Engine", description="Another engine; empty: the take's")

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is not None and not take.job:
            return cls.refuse("Render the take once first")
        reason = why_not(context)
        return cls.refuse(reason) if reason else cls.idle(take.uid)

    def invoke(self, context: Any, event: Any) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        self.first, self.last = _preview_range(context.scene, takes.active_take(context.scene))
        answer: set[str] = context.window_manager.invoke_props_dialog(self)
        return answer

    def execute(self, context: Any) -> set[str]:
        # After the dialog people go on working; scripts wait.
        return self.guarded(lambda: self._begin(context) if self.options.is_invoke else self.act(context))

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        first, last = (self.first, self.last) if self.last else _preview_range(context.scene, take)
        start, frames = take.rendered_start, take.rendered_frames
        window = (first - start, last + 1 - start)
        if not 0 <= window[0] < window[1] <= frames:
            raise FleximoError(
                f"The frames {first} to {last} do not lie in the video, which has the frames {start} to "
                f"{start + frames - 1}.",
                code="invalid_range",
                remedy="Choose a range inside it.",
            )
        wish = Wish(window, self.variants, self.seed, self.engine, self.steps, take.tried_seed)
        engine = offers.engine_named(wish.engine or take.engine)
        _refuse_seedless(wish, engine.name, engine.seeded)
        return range_task(take, wish, compat.sequencer_scene(context).name)


def _refuse_seedless(wish: Wish, engine: str, seeded: bool) -> None:
    """Raises `FleximoError` where seeds or steps are asked of an engine that has neither."""
    if not seeded and (wish.variants > 1 or wish.seed >= 0 or wish.steps):
        raise FleximoError(
            f"The engine {engine} gives the same picture for every seed and takes no steps, so there is one "
            "variant of a range.",
            code="seedless_engine",
            remedy="Choose one variant without seed and steps, or another engine.",
        )


def _preview_range(scene: Any, take: Any) -> tuple[int, int]:
    """The scene's preview range, where one is set, else the whole video."""
    if scene.use_preview_range:
        return scene.frame_preview_start, scene.frame_preview_end
    return take.rendered_start, take.rendered_start + take.rendered_frames - 1


def range_task(take: Any, wish: Wish, target: str) -> Task:
    """The task that renders a range of the take's video again and lays the variants muted over it."""
    uid, server, folder, last = take.uid, server_folder(), video_folder(), LastRender.of(take)
    stem, label = f"{file_stem(take.name)}_range", f"{take.name}, frames again"

    def gather() -> Generator[float, None, Work]:
        now = yield from take_steps(uid)

        def work(report: Report) -> Generator[None, None, list[tuple[renders.Rendered, RenderJob]]]:
            report(0.0, "Preparing the take")
            yield
            job = now().job()
            _unedited(last, job)
            engine = wish.engine or job.engine
            _refuse_seedless(wish, engine, serving.is_seeded(server, engine))
            made: list[tuple[renders.Rendered, RenderJob]] = []
            jobs = wish.jobs(job, last.master_digest)
            try:
                for number, each in enumerate(jobs):
                    one = report.part(number, len(jobs), f"{number + 1} of {len(jobs)}: " if len(jobs) > 1 else "")
                    rendered = yield from renders.render(server, each, folder, stem, label, one, or_whole=False)
                    made.append((rendered, each))
            except Cancelled:
                if not made:
                    raise
            return made

        return work

    def land(made: list[tuple[renders.Rendered, RenderJob]]) -> str:
        scene, landed = bpy.data.scenes.get(target) or scene_of(uid), takes.find_take(uid)[1]
        if landed.master_digest != last.master_digest:
            raise FleximoError(f"{landed.name} has been rendered anew meanwhile.", code="take_edited")
        _drop(scene, uid)
        landed.tried_seed = min(_MOST_SEED, max(landed.tried_seed, *(job.seed for _, job in made)))
        for number, (rendered, job) in enumerate(made, 1):
            _lay(scene, landed, number, rendered, job, wish.window)
        many = "1 variant lies" if len(made) == 1 else f"{len(made)} variants lie"
        return f"{made[-1][0].told} {many} muted in the sequencer; the arrows show them, the tick accepts one."

    return Task(KIND, f"Range of {take.name}", None, land, gather, asks_server=True, about=uid)


def _lay(
    scene: Any, take: Any, number: int, rendered: renders.Rendered, job: RenderJob, window: tuple[int, int]
) -> None:
    start = take.rendered_start
    provenance = {
        "take": take.uid,
        "variant": number,
        "base": take.master_digest,
        "job": rendered.job,
        "master": stored_path(rendered.master),
        "master_digest": rendered.master_digest,
        "video": stored_path(rendered.video),
        "track": stored_path(rendered.track),
        "seed": job.seed,
        "engine": job.engine,
        "start": start,
        "frames": rendered.frames,
        "ranges": rendered.ranges,
    }
    shown = (start + window[0], start + window[1])
    name = f"{take.name} variant {number}"
    sequencer.insert_variant(scene, rendered.video, shown, name=name, provenance=provenance)


def _drop(scene: Any, uid: str) -> int:
    """Removes the strips of the take's variants; their files stay. Returns how many there were."""
    found = sequencer.variants_of(scene, uid)
    for strip in found:
        compat.strips_of(scene).remove(strip)
    return len(found)


class _OnVariants(FleximoOperator):
    """What works on the variants of the active take."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not sequencer.variants_of(compat.sequencer_scene(context), take.uid):
            return cls.refuse("Render a range again first")
        return True


class FLEXIMO_OT_show_variant(_OnVariants, bpy.types.Operator):
    """Show the next or the former variant of the range in the sequencer; after the last one the video as it is"""

    bl_idname = "fleximo.show_variant"
    bl_label = "Show Variant"
    bl_options = CHANGES_FILE

    step: bpy.props.IntProperty(name="Step", description="1: the next, -1: the former", default=1)

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        variants = sequencer.variants_of(compat.sequencer_scene(context), take.uid)
        shown = next((n for n, strip in enumerate(variants, 1) if not strip.mute), 0)
        wanted = (shown + self.step) % (len(variants) + 1)  # 0: none of them
        for number, strip in enumerate(variants, 1):
            strip.mute = number != wanted
        return f"{variants[wanted - 1].name} is shown." if wanted else "The video as it is is shown."


class FLEXIMO_OT_accept_variant(_OnVariants, bpy.types.Operator):
    """Let the variant that is shown be the take's video"""

    bl_idname = "fleximo.accept_variant"
    bl_label = "Accept Variant"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        scene, take = compat.sequencer_scene(context), takes.active_take(context.scene)
        strip = next((each for each in sequencer.variants_of(scene, take.uid) if not each.mute), None)
        if strip is None:
            raise FleximoError("No variant is shown.", remedy="Show one with the arrows, then accept it.")
        chosen, name = sequencer.provenance_of(strip), strip.name
        if chosen["base"] != take.master_digest:
            raise FleximoError(
                f"{name} belongs to an earlier render of {take.name}.",
                code="take_edited",
                remedy="Render the range again.",
            )
        looked_at = check_marks.checked(take)
        for key in ("job", "master_digest", "master", "video", "track"):
            setattr(take, key, chosen[key])
        check_marks.after_render(take, looked_at, chosen.get("ranges", ()))
        check_marks.renew_markers(context.scene, take)
        _drop(scene, take.uid)
        insert(scene, take)
        return f"{name} is now the video of {take.name}."


class FLEXIMO_OT_drop_variants(_OnVariants, bpy.types.Operator):
    """Remove the variants of the range from the sequencer; the video stays as it is"""

    bl_idname = "fleximo.drop_variants"
    bl_label = "Drop Variants"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        return f"{_drop(compat.sequencer_scene(context), take.uid)} variants were removed; their files are kept."


CLASSES = (
    FLEXIMO_OT_render_range,
    FLEXIMO_OT_show_variant,
    FLEXIMO_OT_accept_variant,
    FLEXIMO_OT_drop_variants,
)
