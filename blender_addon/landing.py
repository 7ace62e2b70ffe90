"""Motions that come onto a take's armature: keyed at once, or previewed until one of them is accepted.

Owns what a take remembers of its motion. The keys are `armature`'s, the layers `edit_layer`'s.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import bpy
import numpy as np

from fleximo.errors import FleximoError
from fleximo.exchange import Exchange
from fleximo.motion import Motion
from fleximo.plan import MotionPlan

from . import armature, body, edit_layer, foreign_rig, plan_list, sampling, segments, shapes, takes
from .session import LATER

__all__ = [
    "MOST_PREVIEWS",
    "accept",
    "choose",
    "exchange_base",
    "exchange_steps",
    "landing_steps",
    "preview_steps",
    "reject",
]

MOST_PREVIEWS = 4
_SAME_BODY_M = 0.001


def landing_steps(
    uid: str, motion: Motion, plan: MotionPlan | None = None, made_by: str = ""
) -> Generator[float, None, None]:
    """Keys `motion` as the base of the take's armature, a bone at a time; on a new one where it has none of that body.

    `motion.fps` must be the scene's rate; `plan`: what it was made of, for the markers; `made_by`: by whom
    (`MotionSource.kept`). Keys by hand stay, previews go. Steps that are stopped leave the take with its former motion.
    """
    own = yield from _keyed(uid, motion)
    _settle(uid, armature.action_called(own), len(motion), plan, made_by)


def preview_steps(uid: str, motion: Motion, plan: MotionPlan, made_by: str) -> Generator[float, None, None]:
    """Keys `motion` and shows it in place of the take's motion, which stays as it is until `accept`."""
    own = yield from _keyed(uid, motion, keep=True)
    scene, take = takes.find_take(uid)
    candidate = take.candidates.add()
    candidate.action, candidate.frames, candidate.seed = armature.action_called(own), len(motion), plan.seed
    candidate.plan, candidate.text, candidate.made_by = json.dumps(plan.to_json()), take.text, made_by
    choose(take, len(take.candidates) - 1)
    scene.frame_end = max(scene.frame_end, take.frame_start + len(motion) - 1)


def _keyed(uid: str, motion: Motion, keep: bool = False) -> Generator[float, None, str]:
    """A new action with the motion's keys, for the take's armature; `keep`: what to come back to is remembered."""
    scene, take = takes.find_take(uid)
    if not _fits(scene, take.armature, motion):
        former = take.armature
        take.armature = armature.build_armature(motion.rig, take.name, scene)
        if keep:
            take.armature_is_new, take.former_armature = True, former
        yield LATER  # the body is a tick of its own
        takes.show_only(takes.find_take(uid)[0])
        yield 0.0
    return (yield from armature.key_steps(lambda: takes.armature_of(uid), motion, take.frame_start, take.name))


def _settle(uid: str, action: Any, frames: int, plan: MotionPlan | None, made_by: str) -> None:
    """Makes `action` the take's motion."""
    scene, take = takes.find_take(uid)
    former = edit_layer.set_base(takes.armature_of(uid), action)
    if former is not None:
        former.use_fake_user = True
    if plan is not None:
        segments.mark_segments(action, plan, take.frame_start, sampling.scene_fps(scene))
    _forget_candidates(take, but=action)
    take.armature_is_new, take.former_armature, take.made_by = False, None, made_by
    takes.forget_fit(take)
    take.frame_end = take.frame_start + frames - 1
    scene.frame_end = max(scene.frame_end, take.frame_end)


def exchange_steps(uid: str, base: str, made: Exchange, number: int) -> Generator[float, None, None]:
    """Exchanges one segment of the take's motion, whose action is called `base`; later keys by hand go along."""
    own = yield from segments.exchange_steps(lambda: takes.armature_of(uid), base, made, number)
    scene, take = takes.find_take(uid)
    action = armature.action_called(own)
    _, _, stop = segments.ranges(action)[number]
    stop += exchange_base(take, action)
    if made.longer:
        edit_layer.shift_edits(take.armature, stop - made.longer, made.longer)
        take.frame_end += made.longer
        scene.frame_end = max(scene.frame_end, take.frame_end)
    take.plan = json.dumps(made.plan.to_json())
    seed = made.plan.segments[number].seed
    take.segments[number].seed = -1 if seed is None else seed


def exchange_base(take: Any, action: Any) -> int:
    """Plays `action`, a version of the base, in the base's place; returns by how many frames later it is played."""
    strip = edit_layer.base_strip(take.armature)
    begun = None if strip is None else round(strip.frame_start)
    former = edit_layer.set_base(take.armature, action, begun)
    if former is not None and former.users == 0:
        bpy.data.actions.remove(former)  # undo brings it back
    return 0 if begun is None else begun - round(action.frame_range[0])


def choose(take: Any, number: int) -> None:
    """Shows the take's preview of that number."""
    take.candidate = number
    edit_layer.show_preview(takes.armature_of(take.uid), _candidate(take).action)


def accept(take: Any) -> MotionPlan:
    """Makes the preview that is shown the take's motion; returns its plan."""
    chosen = _candidate(take)
    plan, text, uid = MotionPlan.from_json(json.loads(chosen.plan)), chosen.text, take.uid
    take.seed = plan.seed
    _settle(uid, chosen.action, chosen.frames, plan, chosen.made_by)
    take = takes.find_take(uid)[1]
    plan_list.show_plan(take, plan)
    take.planned_text = text
    return plan


def reject(take: Any) -> None:
    """Back to the motion before the previews; an armature that was made for them goes too."""
    if take.armature is not None:
        edit_layer.hide_preview(take.armature)
    _forget_candidates(take)
    if take.armature_is_new:
        made, take.armature = take.armature, take.former_armature
        if made is not None:
            bones = made.data
            body.remove_body(made)
            bpy.data.objects.remove(made)
            bpy.data.armatures.remove(bones)
            shapes.remove_unused()
    take.armature_is_new, take.former_armature = False, None


def _candidate(take: Any) -> Any:
    if not 0 <= take.candidate < len(take.candidates) or take.candidates[take.candidate].action is None:
        raise FleximoError("There is no preview.", remedy="Press Generate Motion.")
    return take.candidates[take.candidate]


def _forget_candidates(take: Any, but: Any = None) -> None:
    for candidate in take.candidates:
        if candidate.action is not None and candidate.action != but:
            bpy.data.actions.remove(candidate.action)
    take.candidates.clear()
    take.candidate = 0


def _fits(scene: Any, candidate: Any, motion: Motion) -> bool:
    """Whether the armature is in the scene, keeps what is keyed on it, and has the motion's body."""
    if candidate is None or scene.objects.get(candidate.name) != candidate or not candidate.is_editable:
        return False
    bones = candidate.data.bones
    if foreign_rig.is_mapped(candidate) or any(name not in bones for name in motion.rig.joint_names):
        return False  # a character of the user's: motion comes onto it by Bake to Rig
    own = sampling.rig_of(candidate)
    return bool(np.abs(own.rest_offsets - motion.rig.rest_offsets).max() < _SAME_BODY_M)
