"""CLIP's text tower: a sentence -> the vector that the GPT starts from.

Reads a folder in the layout of the hub (`openai/clip-vit-base-patch32`); the vision tower is never loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from backend.models.t2m_gpt.checkpoint import check_keys, read_tensors
from fleximo.errors import FleximoError
from fleximo.files import read_json

__all__ = ["TextEncoder"]

_TEXT_KEYS = ("text_model.", "text_projection.")
_IGNORED = "text_model.embeddings.position_ids"  # a count from 0 that older files carry


class TextEncoder:
    """The tokenizer and the text tower of one folder, in float32 on the CPU: a sentence takes tens of milliseconds."""

    def __init__(self, folder: Path) -> None:
        config = _config(folder)
        with torch.device("meta"):
            model = CLIPTextModelWithProjection(config)
        tensors, _ = read_tensors(folder / "model.safetensors", _TEXT_KEYS)
        tensors.pop(_IGNORED, None)
        expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        check_keys({key: tuple(tensor.shape) for key, tensor in tensors.items()}, expected, str(folder))
        embeddings = model.text_model.embeddings
        embeddings.position_ids = torch.arange(config.max_position_embeddings)[None]  # a buffer that no file holds
        model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = _tokenizer(folder)
        self._longest = config.max_position_embeddings

    @property
    def width(self) -> int:
        return int(self._model.config.projection_dim)

    def fits(self, text: str) -> bool:
        """Whether the whole text is read; of a longer one the end is cut off."""
        return len(self._tokenizer(text)["input_ids"]) <= self._longest

    def encode(self, texts: Sequence[str]) -> Tensor:
        """The projected features (N,512) of the texts, not normalised to unit length: the GPT was trained on those.

        One text at a time and without padding, so that no text changes another's bits.
        """
        vectors = []
        with torch.inference_mode():
            for text in texts:
                ids = self._tokenizer(text, truncation=True, max_length=self._longest, return_tensors="pt")["input_ids"]
                vectors.append(self._model(input_ids=ids).text_embeds[0])
        return torch.stack(vectors)


def _config(folder: Path) -> CLIPTextConfig:
    """The text tower's settings; refuses an activation other than the one that the weights were trained with."""
    document = read_json(folder / "config.json")
    if not isinstance(document, dict):
        raise FleximoError(f"{folder / 'config.json'} holds no settings.", code="bad_checkpoint")
    text = dict(document.get("text_config") or document)
    text.setdefault("projection_dim", document.get("projection_dim", 512))
    if text.get("hidden_act", "quick_gelu") != "quick_gelu":
        raise FleximoError(
            f"The text encoder in {folder} uses {text['hidden_act']}; CLIP ViT-B/32 by OpenAI uses quick_gelu.",
            code="bad_checkpoint",
            remedy="Take openai/clip-vit-base-patch32.",
        )
    known = CLIPTextConfig().to_dict()
    return CLIPTextConfig(**{key: value for key, value in text.items() if key in known and key != "model_type"})


def _tokenizer(folder: Path) -> CLIPTokenizer:
    try:
        return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the tokenizers raise nothing narrower
        first = str(error).strip().partition("\n")[0][:200]
        raise FleximoError(
            f"The tokenizer in {folder} cannot be read: {first}", code="bad_checkpoint", remedy="Get the bundle anew."
        ) from None
