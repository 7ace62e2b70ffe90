"""A language model on this machine: a folder with an instruct model of `transformers`, read once per process.

Knows no plan. Only safetensors are read, no code of the folder is run, and nothing is fetched.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.llm.deadline import within
from backend.llm.template import Messages
from fleximo.errors import FleximoError

__all__ = ["LocalModel", "check_folder", "release"]

_MOST_TOKENS = 1024
_GRACE_S = 1.0  # a model that runs on stops by itself only after it has been given up


class LocalModel:
    """The instruct model in `folder`. Raises `FleximoError` for a folder that holds none (`llm_not_configured`)."""

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        self._tokenizer, self._model = _loaded(folder.resolve())
        self.name = folder.name

    def answer(self, messages: Messages, schema: Mapping[str, Any], limit_s: float) -> str:
        """What the model says, always the likeliest word, within `limit_s` seconds (`late`); `schema` is not enforced.

        Reading the model from disk, once per process, is not counted.
        """

        def ask() -> str:
            try:
                return self._generate(messages, limit_s)
            except FleximoError:
                raise
            except Exception as error:  # out of memory, a template of its own mind, words the model does not have
                raise FleximoError(f"The model failed ({type(error).__name__}).", code="llm_failed") from error

        return within(limit_s, ask)

    def _generate(self, messages: Messages, limit_s: float) -> str:
        import torch

        tokens = self._tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
            enable_thinking=False,  # read by the templates that know it
        ).to(self._model.device)
        asked = tokens["input_ids"].shape[1]
        room = getattr(self._model.config, "max_position_embeddings", None) or asked + _MOST_TOKENS
        if room <= asked:
            raise FleximoError(
                f"The model reads {room} tokens at most, and the question has {asked}.", code="llm_failed"
            )
        with torch.inference_mode():
            made = self._model.generate(
                **tokens, max_new_tokens=min(_MOST_TOKENS, room - asked), max_time=limit_s + _GRACE_S
            )
        return str(self._tokenizer.decode(made[0, asked:], skip_special_tokens=True))


def check_folder(folder: Path) -> None:
    """Raises `FleximoError` (`llm_not_configured`) where no model can lie; reads none."""
    if not (folder / "config.json").is_file():
        raise FleximoError(
            f"{folder} is no folder of a transformers model: it holds no config.json.",
            code="llm_not_configured",
            remedy="Set FLEXIMO_LLM_MODEL to the folder of an instruct model.",
        )


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and model, on the GPU where there is one."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise FleximoError(
            f"The planner local needs the Python package {error.name}.",
            code="missing_package",
            remedy="pip install 'fleximo[models]'",
        ) from None
    logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype="auto", **safe).to(device)
    except Exception as error:  # each of the libraries beneath has errors of its own for a file that it cannot read
        raise _not_usable(folder, " ".join(str(error).split())[:200]) from None
    if not tokenizer.chat_template:
        raise _not_usable(folder, "it has no chat template, so it is no instruct model")
    ends = model.generation_config.eos_token_id
    ends = tokenizer.eos_token_id if ends is None else ends
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=pad)
    return tokenizer, model.eval()


def release() -> None:
    """Gives the memory of the loaded model back; the next question loads it again."""
    if _loaded.cache_info().currsize:
        import torch

        _loaded.cache_clear()
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where there is no GPU


def _not_usable(folder: Path, why: str) -> FleximoError:
    return FleximoError(
        f"The language model in {folder} cannot be used: {why}.",
        code="llm_not_configured",
        remedy="Set FLEXIMO_LLM_MODEL to the folder of an instruct model with safetensors weights.",
    )
