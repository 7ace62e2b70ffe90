"""What stands in the panel Edit: keys by hand, and the generated keys below them."""

from typing import Any

from ..limb_ik import LIMBS, SWITCH, control_of, has_controls

__all__ = ["draw_edit"]


def draw_edit(layout: Any, take: Any) -> None:
    """Draws the edit tools of the take's armature; nothing where it has none."""
    if take.armature is None:
        return
    row = layout.row(align=True)
    row.operator("fleximo.key_pose", icon="KEY_HLT")
    row.operator("fleximo.key_generated", text="As Generated", icon="KEY_DEHLT")
    layout.operator_menu_enum("fleximo.key_hands", "shape", icon="VIEW_PAN")
    _draw_limbs(layout, take.armature)
    row = layout.row(align=True)
    for adjustment, title in (("feet", "Lock Feet"), ("place", "In Place"), ("loop", "Loop")):
        row.operator("fleximo.adjust_motion", text=title).adjustment = adjustment
    binding = take.armature.animation_data
    row = layout.row(align=True)
    row.operator("fleximo.reduce_keys", icon="IPO_BEZIER")
    row.operator("fleximo.clear_edits", icon="TRASH")
    layout.operator("fleximo.edit_base", depress=binding is not None and binding.use_tweak_mode, icon="NLA")


def _draw_limbs(layout: Any, armature: Any) -> None:
    row = layout.row(align=True)
    row.operator_menu_enum("fleximo.snap_ik", "limb", icon="CON_KINEMATIC")
    row.operator_menu_enum("fleximo.snap_fk", "limb", icon="BONE_DATA")
    if has_controls(armature):
        column = layout.column(align=True)
        for limb in LIMBS:
            control = armature.pose.bones[control_of(limb)]
            column.prop(control, f'["{SWITCH}"]', text=f"{limb.replace('_', ' ').capitalize()} IK", slider=True)
