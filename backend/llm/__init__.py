"""The planner that asks a language model, over HTTP or on this machine, and keeps the rules behind it.

Owns when the model's plan counts and when the rules' does; how a model is asked is `endpoint`, `local` and `template`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from backend.llm.endpoint import Endpoint, EndpointSettings
from backend.llm.local import LocalModel, check_folder
from backend.llm.template import Messages, messages, outline_in
from fleximo.errors import FleximoError, Notice
from fleximo.plan import MotionPlan
from fleximo.planner import MAX_TEXT_CHARACTERS, RulePlanner
from fleximo.planner.outline import outline_schema, plan_from_outline

__all__ = ["LanguageModel", "LanguageModelPlanner", "language_model_set_up", "planner_from_folder", "planner_over_http"]

LIMIT_S = 10.0  # for the whole answer


class LanguageModel(Protocol):
    """Something that answers a conversation within a time; raises `FleximoError` where it cannot."""

    name: str

    def answer(self, messages: Messages, schema: Mapping[str, Any], limit_s: float) -> str: ...


class LanguageModelPlanner:
    """Plans with `model`; where it is late, unreachable or says what no plan can be, the rules plan."""

    def __init__(self, model: LanguageModel, limit_s: float = LIMIT_S) -> None:
        self._model = model
        self._limit_s = limit_s
        self.name = f"language model {model.name}"

    def plan(self, text: str) -> MotionPlan:
        """The plan of `text`; a notice `planner_fallback` says if and why it is the rules'.

        Raises what the rules raise, where neither gives a plan.
        """
        if not text.strip() or len(text) > MAX_TEXT_CHARACTERS:
            return RulePlanner().plan(text)  # which says what is wrong with it
        try:
            answer = self._model.answer(messages(text), outline_schema(), self._limit_s)
            return plan_from_outline(outline_in(answer), text)
        except FleximoError as error:
            return _by_rules(text, error)


def _by_rules(text: str, reason: FleximoError) -> MotionPlan:
    """The rules' plan, with the reason why it is theirs."""
    try:
        plan = RulePlanner().plan(text)
    except FleximoError as error:
        raise FleximoError(
            f"{error.message} The language model gave no plan either: {reason.message}",
            code=error.code,
            remedy=error.remedy,
        ) from None
    notice = Notice(
        "planner_fallback",
        f"The rules planned, for the language model gave no plan: {reason.message}",
        reason.remedy,
    )
    return replace(plan, notices=(notice, *plan.notices))


def language_model_set_up(environment: Mapping[str, str] = os.environ) -> str:
    """Which language model the settings name, empty if none; asks and loads nothing.

    Raises what the planner would raise for settings that cannot work.
    """
    if environment.get("FLEXIMO_LLM_URL", "").strip():
        endpoint = Endpoint(EndpointSettings.from_environment(environment))
        return f"{endpoint.name} at {endpoint.host}"
    folder = environment.get("FLEXIMO_LLM_MODEL", "").strip()
    if folder:
        check_folder(Path(folder).expanduser())
    return folder


def planner_over_http(environment: Mapping[str, str] = os.environ) -> LanguageModelPlanner:
    """The planner of `FLEXIMO_LLM_URL`, `FLEXIMO_LLM_MODEL` and `FLEXIMO_LLM_KEY`."""
    return LanguageModelPlanner(Endpoint(EndpointSettings.from_environment(environment)))


def planner_from_folder(environment: Mapping[str, str] = os.environ) -> LanguageModelPlanner:
    """The planner of the instruct model whose folder is `FLEXIMO_LLM_MODEL`."""
    folder = environment.get("FLEXIMO_LLM_MODEL", "").strip()
    if not folder:
        raise FleximoError(
            "The planner local needs the environment variable FLEXIMO_LLM_MODEL.",
            code="llm_not_configured",
            remedy="Set it to the folder of an instruct model of transformers; see docs/planner.md.",
        )
    return LanguageModelPlanner(LocalModel(Path(folder).expanduser()))
