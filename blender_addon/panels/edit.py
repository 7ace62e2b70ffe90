"""What stands in the panel Edit: keys by hand, the generated keys below them, and what is shown of the rig."""

from typing import Any

from .. import body
from ..limb_ik import LIMBS, SWITCH, control_of, has_controls

__all__ = ["draw_edit", "draw_rig"]


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


_ICONS = {True: "HIDE_OFF", False: "HIDE_ON"}
# What collections are called on the armature, in pairs that share a line.
_SHOWN = (("Body", "IK"), ("Left arm", "Right arm"), ("Left leg", "Right leg"), ("Left hand", "Right hand"))


def draw_rig(layout: Any, take: Any, state: Any) -> None:
    """What is shown of the take's armature: its body, its shapes, and which of its bones. `state`: the scene's."""
    armature = take.armature
    if armature is None or not body.can_have_body(armature):
        return
    layout.use_property_split = False  # names stand on the switches themselves
    switches = layout.column()
    switches.use_property_split = False
    row = switches.row(align=True)
    row.prop(take, "show_body", toggle=True, icon="OUTLINER_OB_MESH")
    row.prop(armature.data, "show_bone_custom_shapes", text="Shapes", toggle=True, icon="MESH_CIRCLE")
    row = switches.row(align=True)
    row.operator("fleximo.use_body_model", text=state.body_name or "Body Model", icon="FILEBROWSER")
    row.operator("fleximo.drop_body_model", text="", icon="X")
    if body.is_lost(state.body_file):
        switches.label(text="Its copy is gone: choose it again", icon="ERROR")
    _draw_collections(switches.column(align=True), armature)
    layout.prop(state, "show_trails")
    if state.show_trails:
        column = layout.column(align=True)
        for name in ("trail_frames", "ghosts", "ghost_step"):
            column.prop(state, name)


def _draw_collections(column: Any, armature: Any) -> None:
    for pair in _SHOWN:
        row = column.row(align=True)
        for title in pair:
            collection = armature.data.collections.get(title)
            if collection is not None:
                shown = collection.is_visible
                row.prop(collection, "is_visible", text=title, toggle=True, icon=_ICONS[shown])
