"""No operator is left out: each has done its work at least once when the whole tier has been run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.blender.conftest import FINISHED, LAST, SERVER_DATA

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def test_every_operator_has_done_its_work(addon: Any, request: pytest.FixtureRequest) -> None:
    """Runs after all others."""
    assert request.node.name == LAST
    tier = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    if not tier <= {item.path.name for item in request.session.items}:
        pytest.skip("a part of the tier was chosen")
    elsewhere = {"FLEXIMO_OT_start_server", "FLEXIMO_OT_stop_server"} if SERVER_DATA else set()
    operators = {name for name in dir(bpy.types) if name.startswith("FLEXIMO_OT_")}
    assert len(operators) > 40
    assert operators - elsewhere - FINISHED == set()
