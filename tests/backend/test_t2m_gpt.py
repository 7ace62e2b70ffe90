"""T2M-GPT's networks: parity with the reference program, checkpoints, tokens with and without a cache, statistics."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backend.models.t2m_gpt import gpt as gpt_module  # noqa: E402
from backend.models.t2m_gpt import vqvae as vqvae_module  # noqa: E402
from backend.models.t2m_gpt.checkpoint import load_gpt, load_vqvae  # noqa: E402
from backend.models.t2m_gpt.convert import convert  # noqa: E402
from backend.models.t2m_gpt.gpt import GPT, GPTConfig  # noqa: E402
from backend.models.t2m_gpt.sampling import SOFT_LIMIT, draw_tokens  # noqa: E402
from backend.models.t2m_gpt.statistics import Statistics  # noqa: E402
from backend.models.t2m_gpt.vqvae import VQVAE, VQVAEConfig  # noqa: E402
from fleximo import FleximoError  # noqa: E402
from fleximo import rotations as rot  # noqa: E402
from fleximo.formats import humanml  # noqa: E402
from tests.fixtures.fill_weights import fill_module  # noqa: E402
from tests.fixtures.standins.t2m_gpt import GPT_GAINS, TINY_GPT, TINY_VQVAE, VQVAE_GAINS  # noqa: E402
from tests.parity import t2m_gpt as parity  # noqa: E402
from tests.parity.cases import Case  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "t2m_gpt"


@pytest.fixture(autouse=True)
def fresh_networks() -> Iterator[None]:
    """A test that changes the code must not leave its networks to the next."""
    parity.networks.cache_clear()
    yield
    parity.networks.cache_clear()


@pytest.fixture(scope="module")
def tiny_gpt() -> GPT:
    return fill_module(GPT(TINY_GPT), GPT_GAINS["tiny"]).eval()


def tiny_cases() -> dict[str, Case]:
    """The cases that take no released-size network."""
    return {
        case.name: case
        for case in parity.cases(DATA)
        if not case.name.startswith("released enc") and case.name not in ("released decoder", "released logits")
    }


def texts(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 512)).astype(np.float32))


@pytest.mark.parametrize("name", tiny_cases())
def test_parity(name: str) -> None:
    passed, line = tiny_cases()[name].verdict()
    assert passed and line.startswith("ok"), line


class _FullAngle:
    """`fleximo.rotations` for a decoder that takes the half angle for the whole."""

    def __getattr__(self, name: str) -> object:
        return getattr(rot, name)

    def from_axis_angle(self, axis: object, angle_rad: np.ndarray) -> np.ndarray:
        return rot.from_axis_angle(axis, 0.5 * angle_rad)


def _halves_apart(positions: int, width: int) -> torch.Tensor:
    """The position table with all sines first, as many programs have it."""
    table = _TABLE(positions, width)
    return torch.cat((table[:, 0::2], table[:, 1::2]), dim=1)


def _undo_with_wrong_deviations(statistics: Statistics, normalised: np.ndarray) -> np.ndarray:
    """With root and contacts as HumanML3D's own statistics have them."""
    deviation = statistics.deviation.copy()
    deviation[[0, 1, 2, 3, 259, 260, 261, 262]] *= 25.0
    return _UNDO(Statistics(statistics.mean, deviation), normalised)


_TABLE = gpt_module.position_table
_UNDO = Statistics.undo


@pytest.mark.parametrize(
    ("owner", "name", "wrong", "case"),
    [
        (vqvae_module, "_DILATIONS", (1, 3, 9), "tiny encoder, indices, reconstruction"),
        (vqvae_module, "_DILATIONS", (1, 3, 9), "tiny decoder"),
        (humanml, "rot", _FullAngle(), "features to joints"),
        (gpt_module, "position_table", _halves_apart, "tiny logits"),
        (gpt_module, "position_table", _halves_apart, "tiny greedy0"),
        (Statistics, "undo", _undo_with_wrong_deviations, "features to joints"),
    ],
    ids=["dilations-encoder", "dilations-decoder", "half-angle", "positions-logits", "positions-tokens", "statistics"],
)  # fmt: skip
def test_parity_fails_if_the_code_is_wrong(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, wrong: object, case: str
) -> None:
    monkeypatch.setattr(owner, name, wrong)
    passed, line = tiny_cases()[case].verdict()
    assert not passed and line.startswith("FAIL"), line


def test_the_receptive_field_is_as_said() -> None:
    """Tokens further off than `RECEPTIVE_TOKENS` change no bit of a frame; those just inside do."""
    vqvae = fill_module(VQVAE(TINY_VQVAE), VQVAE_GAINS).eval()
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 32, (1, 60)))
    with torch.inference_mode():
        whole, reach = vqvae.decode(tokens)[0, 4 * 30 : 4 * 31], vqvae_module.RECEPTIVE_TOKENS
        for distance, same in ((reach + 1, True), (reach - 1, False)):
            other = tokens.clone()
            other[0, 30 + distance] = (other[0, 30 + distance] + 1) % 32
            assert torch.equal(vqvae.decode(other)[0, 4 * 30 : 4 * 31], whole) is same


# Tokens


def test_a_cache_changes_no_token(tiny_gpt: GPT) -> None:
    vectors = texts(6)
    for streams in (None, 1):
        drawn = [
            draw_tokens(
                tiny_gpt,
                vectors,
                None if streams is None else [np.random.default_rng([streams, i]) for i in range(6)],
                cached=cached,
            )
            for cached in (True, False)
        ]
        assert drawn[0] == drawn[1]
        assert max(map(len, drawn[0])) <= SOFT_LIMIT
        assert all(0 <= token < TINY_GPT.codes for tokens in drawn[0] for token in tokens)


@pytest.mark.parametrize("greedy", [True, False])
def test_a_text_gets_the_same_tokens_in_any_batch(tiny_gpt: GPT, greedy: bool) -> None:
    vectors = texts(5)

    def streams(rows: list[int]) -> list[np.random.Generator] | None:
        return None if greedy else [np.random.default_rng([7, i]) for i in rows]

    together = draw_tokens(tiny_gpt, vectors, streams([0, 1, 2, 3, 4]))
    alone = [draw_tokens(tiny_gpt, vectors[i : i + 1], streams([i]))[0] for i in range(5)]
    turned = draw_tokens(tiny_gpt, vectors.flip(0), streams([4, 3, 2, 1, 0]))
    assert together == alone == turned[::-1]
    assert len({tuple(tokens) for tokens in together}) > 1


def test_seeds_matter_and_are_kept(tiny_gpt: GPT) -> None:
    def draw(seed: int) -> list[list[int]]:
        return draw_tokens(tiny_gpt, texts(1), [np.random.default_rng(seed)])

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_draws_follow_the_probabilities(tiny_gpt: GPT) -> None:
    """First tokens of many streams against the softmax of the first logits: the largest difference of the two."""
    vector = texts(1)
    rows = 4000
    drawn = draw_tokens(
        tiny_gpt, vector.expand(rows, -1), [np.random.default_rng([3, i]) for i in range(rows)], limit=1
    )
    with torch.inference_mode():
        expected = tiny_gpt(vector, torch.zeros((1, 0), dtype=torch.long))[0, 0].softmax(0).numpy()
    counts = np.bincount([tokens[0] if tokens else TINY_GPT.end for tokens in drawn], minlength=len(expected))
    assert np.abs(counts / rows - expected).max() < 4.0 * np.sqrt(0.25 / rows)


class _Ends(GPT):
    """A model that ends every motion at once."""

    def forward(self, *arguments: object) -> torch.Tensor:
        logits = super().forward(*arguments)
        logits[..., self.config.end] = 1e4
        return logits


def test_an_end_token_drawn_first_gives_no_token_or_is_ruled_out() -> None:
    gpt = fill_module(_Ends(TINY_GPT), GPT_GAINS["tiny"]).eval()
    assert draw_tokens(gpt, texts(3)) == [[], [], []]
    assert [len(tokens) for tokens in draw_tokens(gpt, texts(3), at_least_one=True)] == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_tokens(dtype: torch.dtype) -> None:
    gpt = fill_module(GPT(TINY_GPT), GPT_GAINS["tiny"]).eval().to(dtype)
    tokens = draw_tokens(gpt, texts(2).to(dtype))
    assert all(len(row) > 0 for row in tokens)


def test_numbers_that_overflow_are_told() -> None:
    gpt = fill_module(GPT(TINY_GPT), GPT_GAINS["tiny"]).eval()
    gpt.trans_base.cond_emb.bias.data.fill_(float("inf"))
    with pytest.raises(FleximoError, match="overflowed"):
        draw_tokens(gpt, texts(1))


def test_streams_and_texts_must_match(tiny_gpt: GPT) -> None:
    with pytest.raises(FleximoError, match="2 texts came with 1"):
        draw_tokens(tiny_gpt, texts(2), [np.random.default_rng(0)])


# Checkpoints


def saved(folder: Path, part: str, change: dict[str, object] | None = None) -> Path:
    """A `.pth` as its authors write it: {"net" or "trans": state dict}, with `change`d entries (None = left out)."""
    model = fill_module(VQVAE(TINY_VQVAE), VQVAE_GAINS) if part == "vqvae" else fill_module(GPT(TINY_GPT), {})
    state = {**model.state_dict(), **(change or {})}
    path = folder / "net_last.pth"
    torch.save({"net" if part == "vqvae" else "trans": {k: v for k, v in state.items() if v is not None}}, path)
    return path


@pytest.mark.parametrize("part", ["vqvae", "gpt"])
def test_a_checkpoint_comes_through_conversion_unchanged(tmp_path: Path, part: str) -> None:
    source, target = saved(tmp_path, part), tmp_path / f"{part}.safetensors"
    convert(source, target)
    model = load_vqvae(target) if part == "vqvae" else load_gpt(target)
    given = next(iter(torch.load(source, weights_only=True).values()))
    assert list(model.state_dict()) == list(given)
    assert all(torch.equal(value, given[key]) for key, value in model.state_dict().items())
    assert not list(tmp_path.glob("*.part"))
    sizes = model.config if part == "vqvae" else GPTConfig(**{**vars(model.config), "heads": TINY_GPT.heads})
    assert sizes == (TINY_VQVAE if part == "vqvae" else TINY_GPT)


def test_the_released_sizes_are_told_from_shapes() -> None:
    with torch.device("meta"):
        vqvae, gpt = VQVAE(VQVAEConfig()), GPT(GPTConfig())
    shapes = {key: tuple(tensor.shape) for key, tensor in (vqvae.state_dict() | gpt.state_dict()).items()}
    assert VQVAEConfig.from_shapes(shapes) == VQVAEConfig()
    assert GPTConfig.from_shapes(shapes) == GPTConfig()
    assert sum(tensor.numel() for tensor in vqvae.state_dict().values()) == pytest.approx(19.70e6, rel=1e-3)
    assert sum(tensor.numel() for tensor in gpt.state_dict().values()) == pytest.approx(228.46e6, rel=1e-4)


@pytest.mark.parametrize(
    ("part", "change", "told"),
    [
        ("vqvae", {"vqvae.decoder.model.6.bias": None}, "1 missing: vqvae.decoder.model.6.bias"),
        ("vqvae", {"vqvae.extra": torch.zeros(1)}, "1 unexpected: vqvae.extra"),
        ("vqvae", {"vqvae.encoder.model.4.bias": torch.zeros(3)}, r"vqvae.encoder.model.4.bias \(3,\) instead of"),
        ("gpt", {"trans_head.ln_f.weight": None}, "1 missing: trans_head.ln_f.weight"),
        ("gpt", {"trans_base.pos_embed.embed": torch.zeros(60, 1, 32)}, r"attn.mask \(1, 1, 51, 51\) instead of"),
        ("gpt", {"trans_base.ln": torch.zeros(2)}, "1 unexpected: trans_base.ln"),
    ],
)
def test_faults_of_a_checkpoint_are_named(tmp_path: Path, part: str, change: dict[str, object], told: str) -> None:
    with pytest.raises(FleximoError, match=told) as caught:
        convert(saved(tmp_path, part, change), tmp_path / f"{part}.safetensors")
    assert caught.value.code == "bad_checkpoint"
    assert [path.name for path in tmp_path.iterdir()] == ["net_last.pth"]


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code was run')",)


@pytest.mark.parametrize("content", ["evil", "noise", "empty", "list", "other", "numbers", "swapped"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "net_last.pth"
    if content == "evil":
        path.write_bytes(pickle.dumps({"net": _Evil()}))
    elif content == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(2000))
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "swapped":
        path = saved(tmp_path, "gpt")
    else:
        torch.save({"list": [1, 2], "other": {"model": {}}, "numbers": {"net": {"a": 1}}}[content], path)
    with pytest.raises(FleximoError) as caught:
        convert(path, tmp_path / "vqvae.safetensors")
    assert caught.value.code == "bad_checkpoint"
    with pytest.raises(FleximoError):
        convert(tmp_path / "absent.pth", tmp_path / "vqvae.safetensors")


def test_a_cut_safetensors_file_is_told(tmp_path: Path) -> None:
    convert(saved(tmp_path, "vqvae"), tmp_path / "vqvae.safetensors")
    content = (tmp_path / "vqvae.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    for name in ("cut.safetensors", "absent.safetensors"):
        with pytest.raises(FleximoError, match=name):
            load_vqvae(tmp_path / name)


# Statistics


def test_wrong_statistics_are_suspected(tmp_path: Path) -> None:
    mean, right = np.zeros(263), np.full(263, 0.1)
    mean[3], right[259:] = 0.9, 0.014
    right[:4] = 0.001
    wrong = right.copy()
    wrong[[0, 1, 2, 3, 259, 260, 261, 262]] *= 25.0
    features = np.random.default_rng(0).normal(size=(40, 263))
    for deviation, suspected in ((right, False), (wrong, True)):
        np.save(tmp_path / "mean.npy", mean)
        np.save(tmp_path / "std.npy", deviation)
        statistics = Statistics.load(tmp_path / "mean.npy", tmp_path / "std.npy")
        doubt = statistics.doubt(statistics.undo(features))
        assert (doubt is not None) is suspected
        if doubt is not None:
            assert doubt.code == "implausible_motion" and "meta/mean.npy" in doubt.remedy
    fast = np.zeros((40, 263))
    fast[:, 3], fast[:, 1] = 0.9, 0.5  # 10 m/s
    assert Statistics(mean, right).doubt(fast) is not None


def test_released_statistics_pass_and_the_data_sets_own_do_not() -> None:
    import os

    given = os.environ.get("FLEXIMO_PARITY_DATA")
    if not given or not (Path(given) / "humanml3d" / "t2m_meta_std.npy").is_file():
        pytest.skip("FLEXIMO_PARITY_DATA has no humanml3d statistics")
    folder = Path(given) / "humanml3d"
    normalised = np.zeros((20, 263))
    right = Statistics.load(folder / "t2m_meta_mean.npy", folder / "t2m_meta_std.npy")
    wrong = Statistics.load(folder / "Mean.npy", folder / "Std.npy")
    assert right.doubt(right.undo(normalised)) is None
    assert wrong.doubt(wrong.undo(normalised)) is not None


@pytest.mark.parametrize("content", [b"", b"text", None, np.zeros(263), np.full(263, np.nan), np.ones(10)])
def test_files_that_hold_no_statistics_are_refused(tmp_path: Path, content: object) -> None:
    np.save(tmp_path / "mean.npy", np.zeros(263))
    if isinstance(content, bytes):
        (tmp_path / "std.npy").write_bytes(content)
    elif content is not None:
        np.save(tmp_path / "std.npy", content)
    with pytest.raises(FleximoError, match=r"std\.npy"):
        Statistics.load(tmp_path / "mean.npy", tmp_path / "std.npy")
