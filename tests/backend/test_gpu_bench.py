"""The speed figures: what they are relative to, and that a machine without a GPU says what stays open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from backend.evaluate import gpu_bench  # noqa: E402


def test_a_machine_without_a_gpu_runs_the_small_size_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(gpu_bench.SMALL.settings, steps=3, window=4, overlap=2, decode_chunk=2, decode_overlap=1)
    small = replace(gpu_bench.SMALL, size=(64, 64), poses=3, settings=settings, matrix=256)
    monkeypatch.setattr(gpu_bench, "SMALL", small)
    document = gpu_bench.run(tmp_path, device="cpu")
    assert json.loads((tmp_path / "gpu_bench.json").read_text()) == document
    assert not document["full_size"] and "Open: the figures of a full-size render" in document["table"]
    assert document["limit_s"] == pytest.approx(document["exact_tflop"] / document["matmul_tflops"])
    more_steps = replace(small, settings=replace(settings, steps=6))  # decoding is the same
    more = gpu_bench._exact_flops(more_steps) / 1e12 - document["exact_tflop"]
    assert 0.1 * document["exact_tflop"] < more < document["exact_tflop"]
    reference, ours, *approximate = document["ways"]
    assert reference["times_the_reference"] == 1.0 and reference["way"] == "the reference program's way"
    for row in (reference, ours):
        assert row["exact"] and row["of_the_limit"] == pytest.approx(document["limit_s"] / row["seconds"])
    assert len(approximate) == 3, "fewer steps, a guidance interval, DeepCache"
    for row in approximate:
        assert not row["exact"] and row["of_the_limit"] is None and row["psnr_db"] is not None
    assert ours["psnr_db"] is None
    assert [row["unet_frames"] for row in document["ways"]] == [24, 24, 16, 16, 24]
