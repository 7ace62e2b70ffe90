"""Wan VACE's memory plans: the table against what the networks take, the choice of a plan, and the ladder down."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from backend.diffusion.ladder import recall, record  # noqa: E402
from backend.diffusion.memory import GIB  # noqa: E402
from backend.models.wan_vace.footprint import network_costs  # noqa: E402
from backend.models.wan_vace.memory import (  # noqa: E402
    RELEASED_COSTS,
    MemoryPlan,
    plan_memory,
    step_down,
)
from fleximo import FleximoError  # noqa: E402
from fleximo.files import write_json  # noqa: E402
from tests.fixtures.standins.wan_vace_1_3b import empty_networks  # noqa: E402

SIZE = (480, 832)


def fitted(gib: float, *, allow: bool = False, size: tuple[int, int] = SIZE) -> MemoryPlan:
    return plan_memory(RELEASED_COSTS, free=gib * GIB, size=size, window=81, smaller_window=allow)


def test_the_table_is_what_the_released_networks_take() -> None:
    """Counted anew on smaller pictures; the published files hold 11.36 GB of text encoder and 0.51 GB of VAE."""
    found = network_costs(*empty_networks(tiny=False), size=(64, 64))
    for name, value in vars(found).items():
        # Weights and arithmetic do not depend on the size; the borders of small pictures weigh more.
        rough = name in ("token", "encode_cell", "decode_cell", "encode_flops", "decode_flops")
        assert getattr(RELEASED_COSTS, name) == pytest.approx(value, rel=0.15 if rough else 1e-9), name
    assert found.pair_flops == 4 * 1536 * (30 + 15), "two products of each pair in every block"
    parts = (4_935_812_536, 4_983_103_192, 1_442_935_480)  # bytes of the published parts, as in the lock file
    assert found.text_encoder == pytest.approx(sum(parts), rel=1e-4)


@pytest.mark.parametrize(
    ("gib", "expected"),
    [
        (80.0, (False, False, False, False, 81)),
        (24.0, (True, False, False, False, 81)),
        (16.0, (True, False, False, False, 81)),
        (12.0, (True, True, False, False, 81)),
        (8.0, (True, True, True, True, 81)),
    ],
)
def test_a_plan_spares_no_more_than_it_must(gib: float, expected: tuple[bool, bool, bool, bool, int]) -> None:
    plan = fitted(gib)
    assert (plan.stage_offload, plan.text_streamed, plan.block_offload, plan.tiled, plan.window) == expected
    assert plan.peak + 1.5 * GIB <= gib * GIB


def test_what_does_not_fit_is_refused_or_cut_where_that_is_allowed() -> None:
    with pytest.raises(FleximoError) as caught:
        fitted(4.0)
    assert caught.value.code == "not_enough_memory" and "smaller_window" in str(caught.value.remedy)
    assert fitted(4.0, allow=True).window < 81
    with pytest.raises(FleximoError) as caught:
        fitted(1.0, allow=True)
    assert "smaller_window" not in str(caught.value.remedy)
    assert plan_memory(RELEASED_COSTS, free=None, size=SIZE, window=81).stage_offload is False


@pytest.mark.parametrize(
    ("stage", "allow", "steps"),
    [
        ("text", False, ["stage_offload", "text_streamed"]),
        ("denoise", False, ["stage_offload", "block_offload"]),
        ("decode", True, ["stage_offload", "tiled", "window", "window", "window"]),
        ("encode", False, ["stage_offload", "tiled"]),
    ],
)
def test_the_ladder_gives_way_where_memory_ran_out_and_ends(stage: str, allow: bool, steps: list[str]) -> None:
    plan, taken = fitted(80.0), []
    while (after := step_down(plan, stage, smaller_window=allow)) is not None:
        taken += [name for name in vars(plan) if getattr(plan, name) != getattr(after, name)]
        plan = after
    assert taken == steps


def test_a_recorded_plan_is_read_back(tmp_path: Path) -> None:
    record(tmp_path, fitted(12.0), [])
    found = recall(tmp_path, MemoryPlan)
    assert found is not None and found[0].text_streamed and found[0].window == 81
    write_json(tmp_path / "memory.json", {"window": 81})
    assert recall(tmp_path, MemoryPlan) is None
