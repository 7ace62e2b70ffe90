"""Noise levels of Stable Video Diffusion: the released scheduler's settings, and two ways to space the steps.

The arithmetic is diffusers' `EulerDiscreteScheduler`; this file only sets it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from diffusers import EulerDiscreteScheduler

from fleximo.errors import FleximoError

__all__ = ["SCHEDULES", "SVD_SCHEDULER", "align_your_steps", "make_scheduler"]

SVD_SCHEDULER: dict[str, Any] = {  # scheduler/scheduler_config.json of SVD img2vid-xt 1.1
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "trained_betas": None,
    "use_karras_sigmas": True,
}
SCHEDULES = ("karras", "align-your-steps")

# Sabour et al., "Align Your Steps" (arXiv 2404.14507): 10 steps optimised for SVD.
_ALIGNED = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)
_MOST_STEPS = 1000


def align_your_steps(steps: int) -> list[float]:
    """The `steps` + 1 noise levels of Align Your Steps, the last 0; log-linear between the published ones.

    >>> align_your_steps(10)[:3], align_your_steps(10)[-2:]
    ([700.0, 54.5, 15.886], [0.034, 0.0])
    """
    place = np.linspace(0.0, 1.0, len(_ALIGNED))
    wanted = np.linspace(0.0, 1.0, steps + 1)
    levels = np.exp(np.interp(wanted, place, np.log(_ALIGNED)))
    return [*(round(float(level), 9) for level in levels[:-1]), 0.0]


def make_scheduler(
    steps: int, schedule: str = "karras", config: Mapping[str, Any] | None = None
) -> EulerDiscreteScheduler:
    """A scheduler that is set to `steps` steps. Raises `FleximoError` for a count or a schedule that is not possible.

    The tables lie on the CPU in float32 whatever the networks run in.
    """
    if not 1 <= steps <= _MOST_STEPS:
        raise FleximoError(f"{steps} steps were asked for; 1 to {_MOST_STEPS} are possible.", code="invalid_setting")
    if schedule not in SCHEDULES:
        raise FleximoError(
            f"The schedule {schedule!r} is not known.",
            code="invalid_setting",
            remedy=f"Choose one of: {', '.join(SCHEDULES)}.",
        )
    scheduler = EulerDiscreteScheduler.from_config(dict(SVD_SCHEDULER if config is None else config))
    if schedule == "karras":
        scheduler.set_timesteps(steps)
    else:
        scheduler.set_timesteps(sigmas=align_your_steps(steps))
    return scheduler
