"""Wan VACE's three networks on one device: loaded when first needed, dropped when told.

Knows where weights lie and how they are put together; nothing of jobs.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
from diffusers.hooks import apply_group_offloading
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from backend.diffusion.devices import DTYPES
from backend.diffusion.loading import assemble, described_by, empty, read_config, read_tensors
from backend.models.wan_vace.footprint import network_costs
from backend.models.wan_vace.memory import RELEASED, RELEASED_COSTS, Costs
from backend.models.wan_vace.sampler import make_scheduler
from backend.weights import Bundle, bundle
from fleximo.errors import FleximoError
from fleximo.files import canonical_json

__all__ = ["WORDS", "Networks"]

WORDS = 512  # tokens that a prompt is padded or cut to
_BUNDLE = "wan_vace_1_3b"
_TEXT_DTYPE = torch.bfloat16  # as released; umT5 overflows in float16, and as it is its file is mapped, not copied
_counted: dict[bytes, Costs] = {}  # takes seconds


class Networks:
    """The networks of the bundle; raises `FleximoError` where weights lack or do not fit."""

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device = device
        self.dtype = DTYPES[precision]
        self.bundle: Bundle = bundle(_BUNDLE)
        self._loaded: dict[tuple[Any, ...], Any] = {}
        self._words: dict[str, Tensor] = {}

    @property
    def sums(self) -> dict[str, str]:
        """The sha256 of every file of weights in use."""
        return {f"{_BUNDLE}/{file}": total for file, total in sorted(self.bundle.sha256.items())}

    def config(self, network: str, file: str = "config.json") -> dict[str, Any]:
        """What `network`/`file` says, without what only its writer needed."""
        return read_config(self.bundle.file(f"{network}/{file}"))

    @cached_property
    def costs(self) -> Costs:
        """What the networks take: of the released sizes from the table, of any others counted now."""
        configs = [self.config(name) for name in ("transformer", "vae", "text_encoder")]
        shape = [configs[0].get("num_layers"), configs[0].get("num_attention_heads"), configs[1].get("base_dim")]
        if (*shape, configs[2].get("d_model")) == RELEASED:
            return RELEASED_COSTS
        key = canonical_json(configs)
        if key not in _counted:
            _counted[key] = network_costs(self._empty_transformer(), self._empty_vae(), self._empty_text_encoder())
        return _counted[key]

    def transformer(self, *, by_block: bool = False) -> Any:
        """`by_block`: it lies in the machine's memory, and only the block at work on the device."""

        def load() -> Any:
            # Norms and the embedding of time stay in four bytes, as the class asks for.
            exact = set(WanVACETransformer3DModel._keep_in_fp32_modules)
            made = assemble(
                self._empty_transformer(),
                self._tensors("transformer"),
                name="video model",
                dtype=lambda key: torch.float32 if exact & set(key.split(".")) else self.dtype,
            )
            return self._placed(made, "block_level" if by_block else None)

        return self._once(("transformer", by_block), load)

    @cached_property
    def control_layers(self) -> int:
        """Of the branch that is told the control video."""
        return len(self._empty_transformer().config.vace_layers)

    def scheduler(self, steps: int, flow_shift: float) -> UniPCMultistepScheduler:
        """The bundle's, before its first step."""
        with described_by(self.bundle.file("scheduler/scheduler_config.json")):
            config = self.config("scheduler", "scheduler_config.json")
            return make_scheduler(config, steps, flow_shift, self.device)

    def vae(self) -> Any:
        """In four bytes, as Wan's pipeline is published: in two its pictures get stripes."""
        return self._once(
            ("vae",),
            lambda: self._placed(
                assemble(self._empty_vae(), self._tensors("vae"), name="VAE", dtype=torch.float32), None
            ),
        )

    def words(self, text: str, *, streamed: bool = False) -> Tensor:
        """(1,512,D) the text encoder's view of `text`, zero after its end; read once and remembered.

        `streamed`: the encoder lies in the machine's memory, and only the layer at work on the device.
        """
        if text not in self._words:
            found = self._tokenizer(
                " ".join(html.unescape(text).split()),
                padding="max_length",
                max_length=WORDS,
                truncation=True,
                return_tensors="pt",
            )
            encoder = self._text_encoder(streamed)
            shown = found.attention_mask.to(self.device)
            with torch.inference_mode():
                told = encoder(found.input_ids.to(self.device), shown).last_hidden_state
            self._words[text] = (told * shown[..., None]).to("cpu")
        return self._words[text].to(self.device, self.dtype)

    def parts(self) -> WanVACEPipeline:
        """diffusers' pipeline with the VAE and an empty transformer, for what it does to pictures and masks."""
        return WanVACEPipeline(
            tokenizer=None,
            text_encoder=None,
            vae=self.vae(),
            scheduler=None,
            transformer=self._empty_transformer(),
        )

    def drop(self, *names: str) -> None:
        """Frees these networks; without names, all of them. They are read again when next needed."""
        for key in list(self._loaded):
            if not names or key[0] in names:
                del self._loaded[key]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerFast:
        file = self.bundle.file("tokenizer/tokenizer.json")
        try:
            return PreTrainedTokenizerFast(
                tokenizer_file=str(file), pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
            )
        except Exception as error:  # the tokenizers package raises nothing narrower
            raise FleximoError(
                f"{file} cannot be read as a tokenizer: {error}.",
                code="unreadable_weights",
                remedy="Fetch or import it again: fleximo models --help.",
            ) from None

    def _text_encoder(self, streamed: bool) -> Any:
        def load() -> Any:
            tensors = self._tensors("text_encoder")
            # One table of words under two names, of which the files hold one.
            table = tensors.pop("encoder.embed_tokens.weight", tensors.get("shared.weight"))
            if table is not None:
                tensors |= {"shared.weight": table, "encoder.embed_tokens.weight": table}
            made = assemble(self._empty_text_encoder(), tensors, name="text encoder", dtype=_TEXT_DTYPE)
            made.encoder.embed_tokens = made.shared
            return self._placed(made, "leaf_level" if streamed else None)

        return self._once(("text_encoder", streamed), load)

    def _placed(self, module: Any, offloaded: str | None) -> Any:
        if offloaded is None:
            return module.to(self.device)
        blocks = {"num_blocks_per_group": 1} if offloaded == "block_level" else {}
        apply_group_offloading(
            module, onload_device=self.device, offload_device=torch.device("cpu"), offload_type=offloaded, **blocks
        )
        return module

    def _once(self, key: tuple[Any, ...], load: Callable[[], Any]) -> Any:
        if key not in self._loaded:
            self._loaded[key] = load()
        return self._loaded[key]

    def _empty_transformer(self) -> Any:
        return self._empty("transformer", WanVACETransformer3DModel.from_config)

    def _empty_vae(self) -> Any:
        return self._empty("vae", AutoencoderKLWan.from_config)

    def _empty_text_encoder(self) -> Any:
        return self._empty("text_encoder", lambda config: UMT5EncoderModel(UMT5Config(**config)))

    def _empty(self, network: str, make: Callable[[dict[str, Any]], Any]) -> Any:
        with described_by(self.bundle.file(f"{network}/config.json")):
            return empty(lambda: make(self.config(network)))

    def _tensors(self, network: str) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for file in sorted(self.bundle.sha256):
            if file.startswith(f"{network}/") and file.endswith(".safetensors"):
                found |= read_tensors(self.bundle.file(file))
        return found
