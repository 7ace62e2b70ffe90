"""The language model planner against real servers on loopback: when its plan counts, and when the rules' does."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from typing import Any

import pytest

from backend.llm import LIMIT_S, LanguageModelPlanner, planner_over_http
from backend.llm.deadline import within
from backend.llm.endpoint import Endpoint, EndpointSettings
from backend.llm.template import messages, outline_in
from fleximo import FleximoError, MotionPlan
from fleximo.moves.lexicon import LEXICON
from fleximo.planner import RulePlanner
from fleximo.planner.outline import outline_schema, plan_from_outline
from tests.backend.llm_server import Answer, Handler, ollama, openai, serving

TEXT = "a tall man in a park greets his friends and then does two squats"
OUTLINE = {
    "setting": "a tall man in a park",
    "segments": [
        {"text": "a person waves", "move": "wave", "side": "right", "direction": None, "repeats": None,
         "seconds": None, "speed": None, "layers": []},
        {"text": "a person does two squats", "move": "squat", "side": None, "direction": None, "repeats": 2,
         "seconds": None, "speed": None, "layers": []},
    ],
    "unmatched": [],
}  # fmt: skip
GOOD = json.dumps(OUTLINE)
KEY = "sk-very-secret-0123456789"


def planner(url: str, key: str = "", limit_s: float = 5.0) -> LanguageModelPlanner:
    return LanguageModelPlanner(Endpoint(EndpointSettings(url, "small", key)), limit_s)


def planned(*answers: Answer, path: str = "", limit_s: float = 5.0, key: str = "") -> MotionPlan:
    with serving(*answers) as asked:
        return planner(asked.url + path, key, limit_s).plan(TEXT)


def by_the_model(plan: MotionPlan) -> bool:
    return [segment.move for segment in plan.segments] == ["wave", "squat"] and not plan.notices


def fallback(plan: MotionPlan) -> str:
    """Why the plan is the rules'."""
    notice, *others = plan.notices
    assert notice.code == "planner_fallback"
    assert (plan.segments, tuple(others)) == ((rules := RulePlanner().plan(TEXT)).segments, rules.notices)
    return f"{notice.message} {notice.remedy}"


# -- answers that count ------------------------------------------------------------------------------------------------


def test_a_good_answer_is_the_plan() -> None:
    with serving(openai(GOOD)) as asked:
        plan = planner(asked.url, KEY).plan(TEXT)
    assert by_the_model(plan)
    assert plan.setting == "a tall man in a park"
    assert [segment.text for segment in plan.segments] == ["a person waves", "a person does two squats"]
    [request] = asked.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    body = request["body"]
    assert body["model"] == "small" and body["temperature"] == 0 and body["seed"] == 0 and body["stream"] is False
    assert body["response_format"]["json_schema"] == {"name": "motions", "strict": True, "schema": outline_schema()}
    assert TEXT in body["messages"][-1]["content"]


def test_ollama_is_asked_in_its_own_way() -> None:
    with serving(ollama(GOOD)) as asked:
        plan = planner(asked.url + "/api/chat").plan(TEXT)
    assert by_the_model(plan)
    [request] = asked.requests
    assert request["path"] == "/api/chat" and "Authorization" not in request["headers"]
    assert request["body"]["format"] == outline_schema()
    assert request["body"]["options"]["temperature"] == 0 and request["body"]["stream"] is False


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/proxy/v1/chat/completions", "/proxy/v1/chat/completions"),
        ("/deployments/d/chat/completions?api-version=1", "/deployments/d/chat/completions?api-version=1"),
    ],
)
def test_addresses_are_completed(given: str, path: str) -> None:
    with serving(openai(GOOD)) as asked:
        assert by_the_model(planner(asked.url + given).plan(TEXT))
    assert asked.requests[0]["path"] == path


@pytest.mark.parametrize(
    "content",
    [
        f"Sure! Here is the plan:\n\n{GOOD}\n\nLet me know if {{you}} need more.",
        f"```json\n{json.dumps(OUTLINE, indent=2)}\n```",
        f"<think>The user wants {{}} or {json.dumps({'segments': [{'move': 'run'}]})}?</think>\n{GOOD}",
        f'First draft: {{"segments": [{{"move": "run"}}]}}. No, better: {GOOD}',
        f"  \n{GOOD}  ",
    ],
    ids=["prose", "fence", "thoughts", "second thoughts", "space"],
)
def test_words_around_the_json_do_no_harm(content: str) -> None:
    assert by_the_model(planned(openai(content)))


def test_a_server_that_knows_no_schema_is_asked_once_more_without() -> None:
    def refuse(handler: Handler) -> None:
        handler.say(b'{"error": {"message": "response_format is not supported"}}', 400)

    with serving(refuse, openai(GOOD)) as asked:
        assert by_the_model(planner(asked.url).plan(TEXT))
    assert len(asked.requests) == 2
    assert set(asked.requests[1]["body"]) == {"model", "messages", "stream"}
    with serving(refuse) as asked:
        assert "HTTP 400 (response_format is not supported)" in fallback(planner(asked.url).plan(TEXT))
    assert len(asked.requests) == 2


def test_the_content_type_is_not_what_counts() -> None:
    document = json.dumps({"choices": [{"message": {"content": GOOD}}]}).encode()
    assert by_the_model(planned(lambda handler: handler.say(document, kind="text/plain")))
    assert by_the_model(planned(lambda handler: handler.say(document, kind="")))


def test_a_slow_answer_counts_as_long_as_it_is_in_time() -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.5)
        openai(GOOD)(handler)

    assert by_the_model(planned(slow))


def test_other_languages_are_left_to_the_model() -> None:
    german = "Ein Mann winkt und macht zwei Kniebeugen."
    with pytest.raises(FleximoError):
        RulePlanner().plan(german)
    with serving(openai(GOOD)) as asked:
        assert by_the_model(planner(asked.url).plan(german))


# -- answers that do not -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("I cannot help with that.", "no JSON object with segments"),
        ("", "no JSON object with segments"),
        (GOOD[:-40], "no JSON object with segments"),
        ('{"plan": []}', "no JSON object with segments"),
        (f"<think>Perhaps {GOOD}?</think>I cannot say.", "no JSON object with segments"),
        ("[" * 100_000, "no JSON object with segments"),
        ('{"a":' * 30_000, "no JSON object with segments"),
        ("x" * 300_000, "300000 characters; at most"),
        ('{"segments": []}', "it names no motion"),
        (GOOD.replace("squat", "backflip"), "the move 'backflip' is not known"),
        (GOOD.replace('"repeats": 2', '"repeats": -2'), "repeats is -2"),
        (GOOD.replace('"side": "right"', '"side": "upper"'), "side 'upper'"),
        (GOOD.replace('"seconds": null', '"seconds": 1e99'), "seconds is 1e+99"),
        (GOOD.replace('"seconds": null', '"seconds": NaN'), "seconds is nan"),
        (GOOD.replace('"repeats": 2', '"repeats": ' + "9" * 5000), "no JSON object with segments"),
        (json.dumps({"segments": [{"move": "walk", "seconds": 400}] * 2}), "more than 600 s"),
    ],
)
def test_what_is_no_plan_is_left_to_the_rules(content: str, words: str) -> None:
    assert words in fallback(planned(openai(content)))


def raw(head: bytes) -> Answer:
    return lambda handler: handler.wfile.write(head)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda handler: handler.say(b"<html>Welcome</html>", kind="text/html"), "not answer in the form"),
        (lambda handler: handler.say(b'data: {"choices": []}\n\n', kind="text/event-stream"), "not answer in the form"),
        (lambda handler: handler.say(b"[]"), "not answer in the form"),
        (lambda handler: handler.say(b'{"choices": []}'), "not answer in the form"),
        (lambda handler: handler.say(b'{"choices": [{"message": {"content": null}}]}'), "not answer in the form"),
        (lambda handler: handler.say(b"\xff\xfe\x00"), "not answer in the form"),
        (lambda handler: handler.say(b"[" * 100_000), "not answer in the form"),
        (lambda handler: handler.say(b" " * 2_000_000), "more than 1000000 bytes"),
        (lambda handler: handler.say(b"", 302, Location="http://127.0.0.1:9/v1"), "redirects elsewhere (HTTP 302)"),
        (lambda handler: handler.say(b"{}", 401), "refuses the key (HTTP 401). Check FLEXIMO_LLM_KEY"),
        (lambda handler: handler.say(b'{"error": "model \\"small\\" not found"}', 404), '(model "small" not found)'),
        (lambda handler: handler.say(b"Bad Gateway", 502, kind="text/plain"), "HTTP 502."),
        (raw(b""), "broke off"),
        (raw(b"220 smtp ready\r\n"), "broke off"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), "broke off"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200), "broke off"),
    ],
)  # fmt: skip
def test_what_is_no_chat_endpoint_is_left_to_the_rules(answer: Answer, words: str) -> None:
    assert words in fallback(planned(answer))


def test_an_endless_answer_is_cut() -> None:
    def endless(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not handler.asked.over.is_set():
            handler.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    assert "more than 1000000 bytes" in fallback(planned(endless))


def never(handler: Handler) -> None:
    handler.asked.over.wait(20)


def drip_headers(handler: Handler) -> None:
    handler.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 90, 0.05)


def drip_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    handler.drip(b" " * 1000, 0.05)


@pytest.mark.parametrize("answer", [never, drip_headers, drip_body])
def test_a_late_answer_is_given_up_in_time(answer: Answer) -> None:
    with serving(answer) as asked:
        started = time.monotonic()
        words = fallback(planner(asked.url, limit_s=0.6).plan(TEXT))
        assert time.monotonic() - started < 5.0
        assert "did not answer within 0.6 s" in words and "Ask again" in words
        waited = time.monotonic() + 10.0
        while any(thread.name == "fleximo-deadline" for thread in threading.enumerate()):
            assert time.monotonic() < waited, "the thread that asked is still waiting"
            time.sleep(0.01)


def test_the_second_question_is_within_the_same_limit() -> None:
    def refuse_slowly(handler: Handler) -> None:
        time.sleep(0.4)
        handler.say(b"{}", 400)

    started = time.monotonic()
    assert "within 0.6 s" in fallback(planned(refuse_slowly, never, limit_s=0.6))
    assert time.monotonic() - started < 5.0


def test_nobody_there_is_left_to_the_rules() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        words = fallback(planner(f"http://127.0.0.1:{port}").plan(TEXT))
    assert f"127.0.0.1:{port} cannot be reached" in words and "Check that the server runs" in words


def test_a_server_without_tls_is_left_to_the_rules() -> None:
    with serving(openai(GOOD)) as asked:
        assert "cannot be reached" in fallback(planner(asked.url.replace("http:", "https:")).plan(TEXT))


def test_where_the_rules_find_nothing_either_both_are_told() -> None:
    with serving(openai("no idea")) as asked, pytest.raises(FleximoError) as caught:
        planner(asked.url).plan("he juggles")
    assert caught.value.code == "unmatched_text"
    assert "juggles" in caught.value.message and "no JSON object" in caught.value.message


@pytest.mark.parametrize(("text", "code"), [("  \n", "unmatched_text"), ("he walks. " * 2000, "too_long")])
def test_texts_that_no_one_plans_are_not_sent(text: str, code: str) -> None:
    with serving(openai(GOOD)) as asked:
        with pytest.raises(FleximoError) as caught:
            planner(asked.url).plan(text)
        assert caught.value.code == code and not asked.requests


def test_ten_seconds_is_the_limit() -> None:
    assert LIMIT_S == 10.0
    assert planner_over_http({"FLEXIMO_LLM_URL": "http://localhost:1", "FLEXIMO_LLM_MODEL": "m"})._limit_s == 10.0


# -- keys and settings -------------------------------------------------------------------------------------------------


def test_a_key_is_never_told(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    def echo(status: int) -> Answer:
        said = json.dumps({"error": {"message": f"wrong key {KEY} given"}}).encode()
        return lambda handler: handler.say(said, status)

    told = []
    with caplog.at_level(logging.DEBUG):
        for status in (400, 401, 403, 404, 500):
            told.append(fallback(planned(echo(status), key=KEY)))
        told.append(fallback(planned(raw(b""), key=KEY)))
    settings = EndpointSettings("http://localhost", "m", KEY)
    told += [repr(settings), str(settings), caplog.text, *capfd.readouterr()]
    assert not any(KEY in text for text in told)
    assert "[key]" in told[0]


def refusal(**environment: str) -> FleximoError:
    with pytest.raises(FleximoError) as caught:
        planner_over_http({f"FLEXIMO_LLM_{name}": value for name, value in environment.items()})
    return caught.value


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "FLEXIMO_LLM_URL and FLEXIMO_LLM_MODEL"),
        ({"URL": "http://localhost:11434"}, "variable FLEXIMO_LLM_MODEL"),
        ({"URL": " ", "MODEL": "m"}, "variable FLEXIMO_LLM_URL"),
        ({"URL": "localhost:11434", "MODEL": "m"}, "no http or https address"),
        ({"URL": "file:///etc/passwd", "MODEL": "m"}, "no http or https address"),
        ({"URL": "http://", "MODEL": "m"}, "no http or https address"),
        ({"URL": "http://host:99999", "MODEL": "m"}, "no http or https address"),
        ({"URL": "http://[::1", "MODEL": "m"}, "no http or https address"),
        ({"URL": "http://ho st/v1", "MODEL": "m"}, "no http or https address"),
        ({"URL": f"https://me:{KEY}@host/v1", "MODEL": "m"}, "holds a user name or a password"),
        ({"URL": "http://example.com/v1", "MODEL": "m", "KEY": KEY}, "unencrypted"),
        ({"URL": "https://example.com/v1", "MODEL": "m", "KEY": f"{KEY}\r\nX-Evil: 1"}, "characters that no key has"),
    ],
)
def test_settings_that_cannot_work_are_named_without_the_key(environment: dict[str, str], words: str) -> None:
    error = refusal(**environment)
    assert error.code == "llm_not_configured" and words in error.message and error.remedy
    assert KEY not in str(error)


@pytest.mark.parametrize(
    "url", ["https://example.com/v1", "http://127.0.0.1:8000", "http://localhost/v1", "http://[::1]:80"]
)
def test_a_key_may_go_where_nobody_listens(url: str) -> None:
    environment = {"FLEXIMO_LLM_URL": url, "FLEXIMO_LLM_MODEL": "m", "FLEXIMO_LLM_KEY": KEY}
    assert planner_over_http(environment).name == "language model m"


def test_port_11434_without_a_path_is_ollama() -> None:
    from backend.llm.endpoint import _address

    assert _address(EndpointSettings("http://localhost:11434", "m")).ollama
    assert not _address(EndpointSettings("http://localhost:11434/v1", "m")).ollama
    assert not _address(EndpointSettings("http://localhost:8080", "m")).ollama


# -- the template ------------------------------------------------------------------------------------------------------


def test_the_template_names_every_move_and_its_example_is_right() -> None:
    asked = messages("he walks")
    task, example, answer = asked[0]["content"], asked[0]["content"].rpartition("Description: ")[2], asked[1]["content"]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    for entry in LEXICON.values():
        assert f"\n- {entry.move}" in task
    assert asked[2]["content"] == "Description: he walks"
    outlined, rules = plan_from_outline(outline_in(answer), example), RulePlanner().plan(example)
    assert [_gist(segment) for segment in outlined.to_json()["segments"]] == [
        _gist(segment) for segment in rules.to_json()["segments"]
    ]
    for part, schema in ((json.loads(answer), outline_schema()),):
        assert list(part) == schema["required"]
        assert list(part["segments"][0]) == schema["properties"]["segments"]["items"]["required"]


def _gist(segment: dict[str, Any]) -> tuple[Any, ...]:
    kept = ("move", "side", "repeats", "direction", "seconds", "speed")
    return (*(segment[name] for name in kept), *(_gist(layer) for layer in segment["layers"]))


def test_work_in_time_returns_or_raises_what_it_does() -> None:
    assert within(1.0, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(1.0, lambda: {}["missing"])
