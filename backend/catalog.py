"""The engines and models by name: one line each. Imported lazily, so that naming them costs nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from backend import weights
from backend.stages import MotionModel, Planner, SkeletonAdapter, VideoModel
from fleximo.errors import FleximoError
from fleximo.plan import MotionPlan
from fleximo.planner.any_text import plan_any_text

__all__ = [
    "ADAPTERS", "MOTION_MODELS", "PLANNERS", "VIDEO_MODELS", "Adapter", "Engine", "TextToMotion", "adapter", "engine",
    "motion_model", "plan_for_model", "planner", "video_model",
]  # fmt: skip

Entry = TypeVar("Entry")


def _no_settings(settings: Mapping[str, Any]) -> None:
    if settings:
        raise FleximoError(
            f"This engine has no settings; {', '.join(settings)} was given.",
            code="invalid_setting",
            remedy="Leave it out, or choose another engine.",
        )


@dataclass(frozen=True)
class Engine:
    """What is known of a video model before it is loaded."""

    load: Callable[[], VideoModel]
    fidelity: str  # "draft" or "full"; anything on unverified weights reports "stand_in"
    default_fps: Fraction
    seeded: bool  # whether another seed gives another picture
    bundles: tuple[str, ...] = ()  # of weights that it cannot do without
    reads_prompt: bool = False  # whether its setting `prompt` says in words what look and place shall be
    multiple: int = 2  # px that width and height must be multiples of
    qualities: tuple[str, ...] = ()  # values of its setting "quality", the usual one last
    check_settings: Callable[[Mapping[str, Any]], object] = _no_settings  # raises for those that it does not have
    takes_drawn: bool = False  # whether it is given skeletons as pictures, so that a model may have drawn them

    def check(self, settings: Mapping[str, Any], size: tuple[int, int] | None) -> None:
        """Raises `FleximoError` for what would fail only after minutes: settings, size, weights that are not there."""
        self.check_settings(settings)
        if size is not None and any(side % self.multiple for side in size):
            nearest = "x".join(str(max(1, round(side / self.multiple)) * self.multiple) for side in size)
            raise FleximoError(
                f"This engine renders sizes that are multiples of {self.multiple}; {size[0]}x{size[1]} was asked for.",
                code="invalid_size",
                remedy=f"Choose --size {nearest}.",
            )
        for name in self.bundles:
            weights.bundle(name)


@dataclass(frozen=True)
class Adapter:
    """How hands come onto a skeleton: by the rig's own fingers (nothing to load), or drawn by a model."""

    title: str
    load: Callable[..., SkeletonAdapter] | None = None
    bundles: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Whether it can be used: "ready" or "needs files"."""
        return "ready" if all(weights.available(name) for name in self.bundles) else "needs files"


@dataclass(frozen=True)
class TextToMotion:
    """What is known of a motion model before it is loaded."""

    load: Callable[[Mapping[str, Any]], MotionModel]  # with settings of its own; raises for those that it does not have
    fidelity: str
    reads_text: bool = False  # the segments' words, so that it can do more than the moves that plans know
    bundles: tuple[str, ...] = ()  # of weights that it cannot do without


_EXTRA = ("accelerate", "diffusers", "onnxruntime", "safetensors", "torch", "transformers")


@contextlib.contextmanager
def _models_extra() -> Iterator[None]:
    """Around an import that needs the packages of the extra `models`: says so where one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        raise FleximoError(
            f"This model needs the Python package {package}.",
            code="missing_package",
            remedy="Run: pip install 'fleximo[models]'",
        ) from None


def _draft() -> VideoModel:
    from backend.models.draft import DraftPuppet

    return DraftPuppet()


def _mimicmotion() -> VideoModel:
    with _models_extra():
        from backend.models.mimicmotion.engine import MimicMotion
    return MimicMotion()


def _mimicmotion_settings(settings: Mapping[str, Any]) -> object:
    from backend.models.mimicmotion.settings import Settings

    return Settings.from_json(settings)


def _wan_vace() -> VideoModel:
    with _models_extra():
        from backend.models.wan_vace.engine import WanVACE
    return WanVACE()


def _wan_vace_settings(settings: Mapping[str, Any]) -> object:
    from backend.models.wan_vace.settings import Settings

    return Settings.from_json(settings)


def _diffusion_adapter(*given: Any, **named: Any) -> SkeletonAdapter:
    with _models_extra():
        from backend.models.adapter.complete import DiffusionAdapter
    return DiffusionAdapter(*given, **named)


def _moves(settings: Mapping[str, Any]) -> MotionModel:
    if settings:
        raise FleximoError(
            f"The moves have no settings; {', '.join(settings)} was given.",
            code="invalid_setting",
            remedy="Leave it out, or choose --motion-model t2m-gpt.",
        )
    from backend.models.parametric import ParametricMoves

    return ParametricMoves()


def _t2m_gpt(settings: Mapping[str, Any]) -> MotionModel:
    with _models_extra():
        from backend.models.t2m_gpt import T2MGPT, Settings
    for name in MOTION_MODELS["t2m-gpt"].bundles:  # what is missing is told before the minutes, not after
        if not weights.available(name):
            weights.bundle(name)
    return T2MGPT(Settings.from_json(settings))


def _rules() -> Planner:
    from fleximo.planner import RulePlanner

    return RulePlanner()


def _llm() -> Planner:
    from backend.llm import planner_over_http

    return planner_over_http()


def _local_llm() -> Planner:
    from backend.llm import planner_from_folder

    return planner_from_folder()


VIDEO_MODELS: dict[str, Engine] = {
    "draft": Engine(_draft, "draft", Fraction(30), seeded=False),
    "mimicmotion": Engine(
        _mimicmotion,
        "full",
        Fraction(15),
        seeded=True,
        bundles=("svd", "mimicmotion"),
        takes_drawn=True,
        multiple=64,
        qualities=("standard", "best"),
        check_settings=_mimicmotion_settings,
    ),
    "wan-vace": Engine(
        _wan_vace,
        "full",
        Fraction(16),
        seeded=True,
        bundles=("wan_vace_1_3b",),
        multiple=16,
        check_settings=_wan_vace_settings,
        reads_prompt=True,
    ),
}
ADAPTERS = {
    "kinematic": Adapter("the fingers of the rig"),
    "diffusion": Adapter("drawn by the paper's diffusion adapter", _diffusion_adapter, ("svd", "adapter")),
}
PLANNERS: dict[str, Callable[[], Planner]] = {"rules": _rules, "llm": _llm, "local": _local_llm}
MOTION_MODELS = {
    "moves": TextToMotion(_moves, "draft"),
    "t2m-gpt": TextToMotion(_t2m_gpt, "full", reads_text=True, bundles=("t2m_gpt", "clip_vit_b32")),
}

_loaded: dict[str, VideoModel] = {}


def engine(name: str) -> Engine:
    """The catalogue entry of the video model `name`; raises `FleximoError` that lists the names there are."""
    return _named(VIDEO_MODELS, name, "engine")


def video_model(name: str) -> VideoModel:
    """The video model `name`, loaded once per process and kept warm."""
    entry = engine(name)
    if name not in _loaded:
        _loaded[name] = entry.load()
    return _loaded[name]


def adapter(name: str) -> Adapter:
    """The skeleton adapter `name`; raises `FleximoError` that lists the names there are."""
    return _named(ADAPTERS, name, "adapter")


def motion_model(name: str, settings: Mapping[str, Any] | None = None) -> MotionModel:
    """The text-to-motion model `name` with `settings` of its own; raises `FleximoError` that lists those there are."""
    return _named(MOTION_MODELS, name, "motion model").load(settings or {})


def planner(name: str) -> Planner:
    """The planner `name`; raises `FleximoError` that lists the names there are, or says what it lacks."""
    return _named(PLANNERS, name, "planner")()


def plan_for_model(text: str, by: Planner, model: MotionModel | TextToMotion) -> MotionPlan:
    """The plan of `text`; for a motion model that reads words, words that no planner knows stay in it."""
    return plan_any_text(text, by.plan) if model.reads_text else by.plan(text)


def _named(entries: Mapping[str, Entry], name: str, what: str) -> Entry:
    if name not in entries:
        raise FleximoError(
            f"The {what} {name!r} is not known.",
            code=f"unknown_{what.replace(' ', '_')}",
            remedy=f"Choose one of: {', '.join(entries)}.",
        )
    return entries[name]
