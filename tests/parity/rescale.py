"""Parity of the paper's rescale with the released geometry: `paper_mode.npz`, 1e-6 px."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.paper_rescale import anchor_at_neck, clip_fit, fit_points, kept_frames
from tests.parity.cases import Case, compare

FILE = "paper_mode.npz"
TOLERANCE_PX = 1e-6
CANVAS = (576, 1024)

Arrays = dict[str, npt.NDArray[Any]]


def cases(folder: Path) -> Iterator[Case]:
    """One case per letter and step found in the file; a missing file is one skipped case."""
    path = folder / FILE
    if not path.is_file():
        yield Case(FILE, skipped=f"{FILE} is not in {folder}")
        return
    with np.load(path, allow_pickle=False) as archive:
        arrays: Arrays = {name: archive[name] for name in archive.files}
    for letter in sorted({name.split("_")[0] for name in arrays if name.endswith("_out_px")}):
        yield Case(f"anchor {letter}", run=lambda letter=letter: _anchor(arrays, letter))
    for letter in sorted({name.split("_")[1] for name in arrays if name.startswith("lin_")}):
        yield Case(f"clip fit {letter}", run=lambda letter=letter: _clip(arrays, letter))


def _anchor(arrays: Arrays, letter: str) -> list[tuple[float, float]]:
    size = np.array(CANVAS, dtype=np.float64)
    found, _ = anchor_at_neck(arrays[f"{letter}_ref_norm"] * size, arrays[f"{letter}_body_norm"] * size)
    return [
        compare(found, arrays[f"{letter}_out_px"], TOLERANCE_PX),
        compare(found / size * size[1], arrays[f"{letter}_out_norm"] * size[1], TOLERANCE_PX),
    ]


def _clip(arrays: Arrays, letter: str) -> list[tuple[float, float]]:
    """Which frames and points are used, scale and shift, and the fitted points, in px of the target."""

    def given(name: str) -> npt.NDArray[Any]:
        return arrays[f"lin_{letter}_{name}"]

    (source_h, source_w), (target_h, target_w) = given("src_hw").tolist(), given("out_hw").tolist()
    size = np.array([target_w, target_h], dtype=np.float64)
    fps, stride = given("fps_stride").tolist()
    body, hands = given("body_norm"), given("hands_norm")
    kept = list(kept_frames(len(body), fps, round(stride)))
    fit = clip_fit(given("ref_norm"), given("ref_score"), body[kept], (source_w, source_h), (target_w, target_h))
    return [
        compare(np.array(kept, dtype=float), given("kept_index").astype(float), 0.0),
        compare(np.array(fit_points(given("ref_score")), dtype=float), given("fit_ids").astype(float), 0.0),
        compare(np.array(fit.scale) * size, given("scale_xy") * size, TOLERANCE_PX),
        compare(np.array(fit.shift) * size, given("shift_xy") * size, TOLERANCE_PX),
        compare(fit.apply(body[kept]) * size, given("out_body_norm") * size, TOLERANCE_PX),
        compare(fit.apply(hands[kept]) * size, given("out_hands_norm") * size, TOLERANCE_PX),
    ]
