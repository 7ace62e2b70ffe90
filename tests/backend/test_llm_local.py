"""A real instruct model made tiny: it answers well, answers nonsense, runs on and on, or is none at all."""

from __future__ import annotations

import gc
import json
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from backend.llm import LanguageModelPlanner, planner_from_folder
from backend.llm.local import LocalModel, release
from fleximo import FleximoError
from fleximo.planner import RulePlanner

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'fleximo[models]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'fleximo[models]'")

TEXT = "a man walks and then bows"
TEMPLATE = "{% for m in messages %} <{{ m.role }}> {{ m.content }}{% endfor %} <answer>"
GOOD = [
    '{"setting":"',
    "a",
    'park",',
    '"segments":[{"move":',
    '"wave",',
    '"side":"left"},{"move":"squat","repeats":3}]}',
]


def make_model(folder: Path, answer: list[str], *, room: int = 4096, template: str | None = TEMPLATE) -> Path:
    """A Llama that says the pieces of `answer`, joined by spaces, one after another, and then for ever the last.

    A last piece "<end>" ends it. Attention and MLP are shut, so that the next token follows from the last one alone.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unknown>", "<end>", "<answer>", *(piece for piece in answer if piece != "<end>")]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unknown>", eos_token="<end>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=room, tie_word_embeddings=False, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(words), 16))
        model.lm_head.weight.zero_()
        said = [2, *(words.index(piece) for piece in answer)]
        for last, following in zip(said, [*said[1:], said[-1]]):
            model.lm_head.weight[following, last] = 1.0
    model.save_pretrained(folder)
    return folder


def planner(folder: Path, **settings: Any) -> LanguageModelPlanner:
    return LanguageModelPlanner(LocalModel(folder), **settings)


def fallback(made: LanguageModelPlanner) -> str:
    plan = made.plan(TEXT)
    assert plan.segments == RulePlanner().plan(TEXT).segments
    assert plan.notices[0].code == "planner_fallback"
    return plan.notices[0].message


def test_a_model_in_a_folder_plans(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_model(tmp_path / "tiny-instruct", [*GOOD, "<end>"])
    capfd.readouterr()
    made = planner_from_folder({"FLEXIMO_LLM_MODEL": str(folder)})
    plan = made.plan(TEXT)
    assert [(segment.move, segment.side, segment.repeats) for segment in plan.segments] == [
        ("wave", "left", 3),
        ("squat", None, 3),
    ]
    assert plan.setting == "a park" and plan.notices == () and made.name == "language model tiny-instruct"
    assert made.plan(TEXT) == plan
    assert capfd.readouterr() == ("", "")  # no bars and no chatter of the libraries


def test_the_memory_is_given_back(tmp_path: Path) -> None:
    made = planner(make_model(tmp_path, [*GOOD, "<end>"]))
    model = weakref.ref(made._model._model)
    release()
    assert model() is not None, "who holds the planner can still ask it"
    del made
    gc.collect()
    assert model() is None


def test_nonsense_is_left_to_the_rules(tmp_path: Path) -> None:
    assert "no JSON object" in fallback(planner(make_model(tmp_path, ["certainly!", "<end>"])))
    impossible = make_model(tmp_path / "2", ['{"segments":[{"move":"fly"}]}', "<end>"])
    assert "the move 'fly' is not known" in fallback(planner(impossible))


def test_a_model_that_does_not_stop_is_late(tmp_path: Path) -> None:
    made = planner(make_model(tmp_path, ["and", "so", "on"], room=100_000), limit_s=0.3)
    started = time.monotonic()
    assert "did not answer within 0.3 s" in fallback(made)
    assert time.monotonic() - started < 5.0


def test_a_model_that_cannot_read_the_question_is_left_to_the_rules(tmp_path: Path) -> None:
    assert "reads 64 tokens at most" in fallback(planner(make_model(tmp_path, GOOD, room=64)))


def test_a_template_of_its_own_mind_is_left_to_the_rules(tmp_path: Path) -> None:
    folder = make_model(tmp_path, GOOD, template="{{ raise_exception('no roles but mine') }}")
    assert "The model failed (TemplateError)" in fallback(planner(folder))


def test_what_is_no_instruct_model_is_named(tmp_path: Path) -> None:
    def refusal(folder: Path) -> str:
        with pytest.raises(FleximoError) as caught:
            planner_from_folder({"FLEXIMO_LLM_MODEL": str(folder)})
        assert caught.value.code == "llm_not_configured" and caught.value.remedy
        return caught.value.message

    assert "needs the environment variable FLEXIMO_LLM_MODEL" in refusal(Path(" "))
    assert "holds no config.json" in refusal(tmp_path / "nowhere")
    assert "no chat template" in refusal(make_model(tmp_path / "base", GOOD, template=None))
    pickled = make_model(tmp_path / "pickled", GOOD)
    weights = pickled / "model.safetensors"
    torch.save({}, pickled / "pytorch_model.bin")
    weights.unlink()
    assert "cannot be used" in refusal(pickled)
    damaged = make_model(tmp_path / "damaged", GOOD)
    (damaged / "model.safetensors").write_bytes(b"\0" * 100)
    assert "cannot be used" in refusal(damaged)
    config = make_model(tmp_path / "config", GOOD) / "config.json"
    config.write_text(json.dumps({"model_type": "unheard_of"}))
    assert "cannot be used" in refusal(config.parent)
    config.write_text("{")
    assert "cannot be used" in refusal(config.parent)


def test_code_of_the_folder_is_not_run(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", GOOD)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FleximoError, match="cannot be used"):
        LocalModel(folder)
    assert not (tmp_path / "ran").exists()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    folder = make_model(tmp_path, GOOD)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FleximoError, match=r"pip install 'fleximo\[models\]'") as caught:
        LocalModel(folder)
    assert caught.value.code == "missing_package"
