"""A range rendered again: variants as muted strips, shown by turns, accepted or dropped; and when it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.test_journey import ANNA, FIRST, decoded, folders, our_strips, turn_by_hand

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

__all__ = ["folders"]  # the fixture
COUNT = 20


@pytest.fixture
def take(addon: Any, scene: Any, folders: Path) -> Any:
    """A take of 20 frames that has been rendered."""
    bpy.ops.fleximo.add_take()
    take = scene.fleximo.takes[0]
    take.frame_start = FIRST
    bpy.ops.fleximo.generate_motion(text="a woman waves her right hand", seed=3)
    take.frame_end = FIRST + COUNT - 1
    bpy.ops.fleximo.set_reference(filepath=str(ANNA))
    take.size = (144, 256)
    bpy.ops.fleximo.detect_pose()
    assert not bpy.ops.fleximo.render_range.poll(), "there is nothing to repair yet"
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    return take


@pytest.mark.timeout(120)
def test_a_variant_is_laid_muted_shown_accepted_and_can_be_changed_again(addon: Any, scene: Any, take: Any) -> None:
    first = decoded(take.master)
    old = (take.job, take.master, take.rendered_with)
    assert bpy.ops.fleximo.render_range(first=9, last=12) == {"FINISHED"}
    told = addon("properties").live().message
    assert told.startswith(f"4 of {COUNT} frames rendered") and "1 variant lies muted" in told
    whole, variant = our_strips(addon, scene)
    assert not whole.mute and variant.mute and variant.name == "Take 1 variant 1"
    assert addon("compat").strip_range(variant) == (9, 13)
    assert addon("compat").strip_range(whole) == (FIRST, FIRST + COUNT)
    assert (take.job, take.master, take.rendered_with) == old, "nothing is accepted by itself"
    with pytest.raises(RuntimeError, match="No variant is shown"):
        bpy.ops.fleximo.accept_variant()
    bpy.ops.fleximo.show_variant()
    assert not variant.mute and not whole.mute and variant.channel > whole.channel
    bpy.ops.fleximo.show_variant()
    assert variant.mute, "after the last one the video as it is"
    bpy.ops.fleximo.show_variant(step=-1)
    assert not variant.mute
    assert bpy.ops.fleximo.accept_variant() == {"FINISHED"}
    assert take.master != old[1] and take.job != old[0] and take.rendered_with == old[2]
    assert np.array_equal(decoded(take.master), first), "the draft gives the same picture for every seed"
    strips = our_strips(addon, scene)
    assert [strip.mute for strip in strips] == [True, False]
    assert {addon("compat").strip_range(strip) for strip in strips} == {(FIRST, FIRST + COUNT)}
    turn_by_hand(take.armature, "left_elbow", {15: 0.5, 16: 0.5}, (1, 0, 0))
    assert bpy.ops.fleximo.render_changed() == {"FINISHED"}
    assert addon("properties").live().message.startswith(f"2 of {COUNT} frames rendered")


@pytest.mark.timeout(120)
def test_a_take_that_was_edited_is_not_repaired(addon: Any, scene: Any, take: Any) -> None:
    with pytest.raises(RuntimeError, match="do not lie in the video, which has the frames 5 to 24"):
        bpy.ops.fleximo.render_range(first=9, last=40)
    with pytest.raises(RuntimeError, match="same picture for every seed"):
        bpy.ops.fleximo.render_range(first=9, last=12, variants=3)
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 7, 8
    assert bpy.ops.fleximo.render_range() == {"FINISHED"}
    (variant,) = addon("sequencer").variants_of(scene, take.uid)
    assert addon("compat").strip_range(variant) == (7, 9)
    turn_by_hand(take.armature, "left_elbow", {15: 0.5, 16: 0.5}, (1, 0, 0))
    with pytest.raises(RuntimeError, match=r"its motion has changed.*Render Changed first"):
        bpy.ops.fleximo.render_range(first=9, last=12)
    bpy.ops.fleximo.render_changed()
    with pytest.raises(RuntimeError, match="belongs to an earlier render"):
        variant.mute = False
        bpy.ops.fleximo.accept_variant()
    assert bpy.ops.fleximo.drop_variants() == {"FINISHED"}
    assert not bpy.ops.fleximo.show_variant.poll()
    take.seed += 1
    with pytest.raises(RuntimeError, match="the seed has changed"):
        bpy.ops.fleximo.render_range(first=9, last=12)


def test_variants_ask_for_their_own_seeds_steps_and_engine(addon: Any) -> None:
    from dataclasses import replace

    from tests.fleximo.test_job import make_job

    job = replace(make_job(), engine="mimicmotion", settings={"quality": "standard"})
    assert job.seed == 7
    wish = addon("operators.repair").Wish((3, 6), 4, -1, "", 12)
    made = wish.jobs(job, "5" * 64)
    assert [each.seed for each in made] == [8, 9, 10, 11]
    assert all((each.window, each.previous) == ((3, 6), "5" * 64) for each in made)
    assert dict(made[0].settings) == {"quality": "standard", "steps": 12}
    (other,) = addon("operators.repair").Wish((3, 6), 1, 40, "another", 0).jobs(job, "5" * 64)
    assert (other.engine, dict(other.settings), other.seed) == ("another", {}, 40)
