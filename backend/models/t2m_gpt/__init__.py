"""T2M-GPT (Zhang et al., CVPR 2023), written afresh: text -> CLIP vector -> motion tokens -> features -> `Motion`.

An island: imports no other model. Importing it loads torch.
"""

from __future__ import annotations
