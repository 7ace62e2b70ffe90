"""What stands in the panel Character: the user's own armature, its bones joint by joint, and what to do with it."""

from typing import Any

from .. import foreign_rig

__all__ = ["draw_character"]


def draw_character(layout: Any, take: Any) -> None:
    """Draws the take's character and its mapping."""
    layout.prop(take, "character")
    armature = take.character or take.armature
    layout.operator("fleximo.map_rig", icon="BONE_DATA")
    if armature is not None and foreign_rig.is_mapped(armature):
        state = armature.fleximo_rig
        layout.template_list("FLEXIMO_UL_joints", "", state, "joints", state, "joint", rows=4)
        if 0 <= state.joint < len(state.joints):
            chosen = state.joints[state.joint]
            column = layout.column(align=True)
            column.prop_search(chosen, "bone", armature.data, "bones")
            column.prop_search(chosen, "control", armature.data, "bones")
    row = layout.row(align=True)
    row.operator("fleximo.bake_to_rig", icon="ACTION")
    row.operator("fleximo.photo_from_rig", icon="RENDER_STILL")
