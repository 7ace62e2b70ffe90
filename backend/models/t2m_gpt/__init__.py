"""T2M-GPT (Zhang et al., CVPR 2023), written afresh: text -> CLIP vector -> motion tokens -> features -> `Motion`.

An island: imports no other model. Importing it loads torch.
"""

from __future__ import annotations

from backend.models.t2m_gpt.model import T2MGPT, Networks, Settings

__all__ = ["T2MGPT", "Networks", "Settings"]
