"""What a call of a network costs: arithmetic and the memory of its intermediate values, counted without computing.

Runs the network on torch's meta device, where tensors have shapes and no values. Attention counts as the fused kernels
do it, without the matrix of scores. Knows calls; nothing of jobs, devices or budgets.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["Footprint", "count", "weights_bytes"]


@dataclass(frozen=True)
class Footprint:
    """One call of a network."""

    flops: int  # 2 per multiply-add
    peak_bytes: int  # of intermediate values alive at once; neither weights nor inputs


def count(call: Callable[[], object]) -> Footprint:
    """The cost of `call`, which must work on meta tensors alone."""
    with (
        torch.inference_mode(),
        _FusedAttention() as attention,
        FlopCounterMode(display=False) as rest,
        _Peak() as peak,
    ):
        call()
    return Footprint(rest.get_total_flops() + attention.flops, peak.most)


class _FusedAttention(TorchFunctionMode):
    """Scaled dot-product attention as one step, for on the meta device torch would spell it out."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is functional.scaled_dot_product_attention:
            query, key, value = args[:3] if len(args) >= 3 else (kwargs[name] for name in ("query", "key", "value"))
            self.flops += 2 * query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return function(*args, **(kwargs or {}))


class _Peak(TorchDispatchMode):
    """The most bytes of results that were alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[int, int] = {}
        self._now = 0
        self.most = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._hold(tensor.untyped_storage())
        self.most = max(self.most, self._now)
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._now += storage.nbytes()
            weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._now -= self._sizes.pop(key)


def weights_bytes(module: torch.nn.Module) -> int:
    """What the parameters of `module` take."""
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
