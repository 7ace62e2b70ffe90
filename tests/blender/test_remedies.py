"""Each code of the photo gate has its remedy as a button; every motion format can be dropped on the view."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.blender.conftest import PEOPLE, ROOT

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def drawn(addon: Any, codes: list[str]) -> list[tuple[str, int]]:
    """(operator, person to choose) of the buttons."""
    made = []

    class Row:
        def row(self, **_: Any) -> Row:
            return self

        def operator(self, name: str, **_: Any) -> Any:
            made.append((name, button := SimpleNamespace(choose=0)))
            return button

    addon("panels.remedies").draw_remedies(Row(), codes)
    return [(name, button.choose) for name, button in made]


def test_every_code_of_the_photo_gate_has_a_button(addon: Any) -> None:
    page = ROOT / "docs" / "photos.md"
    if not page.is_file():
        pytest.skip("the pages of the project are not here")
    told = set(re.findall(r"^\| `([a-z_]+)` \|", page.read_text(), flags=re.MULTILINE))
    assert len(told) > 10 and told <= set(addon("panels.remedies").REMEDIES)
    for code in told:
        for name, _ in drawn(addon, [code]):
            assert getattr(bpy.ops.fleximo, name.removeprefix("fleximo.")).get_rna_type()


def test_buttons_come_once_and_choose_among_people(addon: Any) -> None:
    assert drawn(addon, ["turned", "small_person"]) == [("fleximo.set_reference", 0)]
    assert drawn(addon, ["several_people"]) == [("fleximo.detect_pose", person) for person in (1, 2, 3)]
    assert drawn(addon, ["of_something_else"]) == []


def test_codes_of_warnings_and_errors_are_kept_for_the_panel(
    addon: Any, scene: Any, server: Path, tmp_path: Path
) -> None:
    addon("preferences").preferences().data_folder = str(server)
    take = addon("takes").add_take(scene)
    take.photo = str(PEOPLE / "anna.jpg")
    with pytest.raises(RuntimeError):
        bpy.ops.fleximo.detect_pose(choose=9)
    assert addon("properties").live().code == "no_such_person"
    assert bpy.ops.fleximo.detect_pose() == {"FINISHED"}
    person = addon("shot").person_of(take)
    assert take.warning_codes.split() == [notice.code for notice in person.notices]


def test_every_format_that_is_read_can_be_dropped(addon: Any) -> None:
    files = addon("operators.files")
    kinds = files.FLEXIMO_FH_motion.bl_file_extensions.split(";")
    assert kinds == files._READ.replace("*", "").split(";") and {".npy", ".obj", ".pth"} <= set(kinds)
    over = SimpleNamespace(area=SimpleNamespace(type="VIEW_3D"))
    assert files.FLEXIMO_FH_motion.poll_drop(over)
    over.area.type = "SEQUENCE_EDITOR"
    assert not files.FLEXIMO_FH_motion.poll_drop(over)
