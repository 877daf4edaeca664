"""The rules.yaml at the top: which route takes a request, what two requests share, what is kept.

The simulators answer the questions whether all of it works (test_demo.py); here stands what is
hard to see from outside: the edges between neighbouring routes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from proxy.messages import Request, Response
from proxy.outcomes import Bypass
from proxy.rules import load
from proxy.rules.compiled import Config, Match
from proxy.sim.jwt import sign
from tests.support.build import as_fields
from tests.support.clock import NOW

RULES = Path(__file__).parents[2] / "rules.yaml"
DEVICE = "/sdm/v1/enterprises/p/devices/d"
COMMAND = DEVICE + ":executeCommand"
LIVE = "sdm.devices.commands.CameraLiveStream."
CHAT, RESPONSES = "/openai/v1/chat/completions", "/openai/v1/responses"
IMAGES, SPEECH = "/openai/v1/images/generations", "/openai/v1/audio/speech"
SUNO, KLING = "/suno/api/v1", "/kling/v1/videos/text2video"
KEY = {"authorization": "Bearer sk-1"}
FUNCTION = [{"type": "function", "function": {"name": "f"}}]


@cache
def config(**environment: str) -> Config:
    return load(RULES, environment)


def match(
    method: str,
    target: str,
    body: object = None,
    fields: dict[str, str] | None = None,
    rules: Config | None = None,
) -> Match:
    """The route a request gets, and its subject."""
    content = b"" if body is None else json.dumps(body).encode()
    head = {"content-type": "application/json"} if content else {}
    given = as_fields((head | (KEY if fields is None else fields)).items())
    router = (rules or config()).router
    found = router.find(Request(method=method, target=target, fields=given, body=content))
    assert found is not None
    matched = router.match(*found)
    assert isinstance(matched, Match)
    return matched


def key(*request: object, **changes: object) -> object:
    """What a request is known by: its key, or why it is bypassed."""
    matched = match(*request, **changes)  # type: ignore[arg-type]
    identity = matched.route.identify(matched.subject)
    return identity if isinstance(identity, Bypass) else identity.key


def test_the_file_loads_with_no_environment_at_all() -> None:
    assert [upstream.name for upstream in config().upstreams] == [
        "google_sdm", "openai", "suno", "kling", "db", "timelapse", "studio",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("route", "method", "target", "body"),
    [
        ("camera-stream", "POST", COMMAND, {"command": LIVE + "GenerateWebRtcStream"}),
        ("camera-stream-stop", "POST", COMMAND, {"command": LIVE + "StopWebRtcStream"}),
        ("camera-stream-extend", "POST", COMMAND, {"command": LIVE + "ExtendWebRtcStream"}),
        ("camera-other", "POST", COMMAND, {"command": LIVE + "GenerateRtspStream"}),
        ("camera-other", "POST", COMMAND, {"command": "sdm.devices.commands.CameraEventImage.X"}),
        ("device-command", "POST", COMMAND, {"command": "sdm.devices.commands.Fan.SetTimer"}),
        ("device", "GET", DEVICE, None),
        ("devices", "GET", "/sdm/v1/enterprises/p/devices?pageSize=5", None),
        ("structures", "GET", "/sdm/v1/enterprises/p/structures", None),
        ("structure", "GET", "/sdm/v1/enterprises/p/structures/s/rooms", None),
        ("chat", "POST", CHAT, {"model": "m"}),
        ("chat", "POST", CHAT, {"model": "m", "stream": False, "tools": FUNCTION}),
        ("chat-stream", "POST", CHAT, {"model": "m", "stream": True}),
        ("openai", "POST", CHAT, {"model": "m", "stream": True, "tools": FUNCTION}),
        ("openai", "POST", CHAT, {"model": "m", "web_search_options": {}}),
        ("openai", "POST", CHAT, {"model": "gpt-4o-search-preview", "stream": True}),
        ("responses", "POST", RESPONSES, {"input": "a", "tools": [{"type": "function"}]}),
        ("responses-stream", "POST", RESPONSES, {"input": "a", "stream": True}),
        ("openai", "POST", RESPONSES, {"input": "a", "tools": [{"type": "web_search"}]}),
        ("openai", "POST", RESPONSES, {"input": "a", "background": True}),
        ("openai", "POST", RESPONSES, {"input": "a", "conversation": "c"}),
        ("response", "GET", RESPONSES + "/resp_1", None),
        ("openai", "GET", RESPONSES + "/resp_1?stream=true", None),
        ("response-delete", "DELETE", RESPONSES + "/resp_1", None),
        ("embeddings", "POST", "/openai/v1/embeddings", {"input": "a"}),
        ("speech", "POST", SPEECH, {"input": "a"}),
        ("openai", "POST", SPEECH, {"input": "a", "stream_format": "sse"}),
        ("images", "POST", IMAGES, {"model": "gpt-image-1", "prompt": "a"}),
        ("images", "POST", IMAGES, {"prompt": "a", "response_format": "b64_json"}),
        ("image-urls", "POST", IMAGES, {"prompt": "a"}),
        ("openai", "POST", IMAGES, {"prompt": "a", "model": "gpt-image-1", "stream": True}),
        ("models", "GET", "/openai/v1/models", None),
        ("model", "GET", "/openai/v1/models/m", None),
        ("openai", "POST", "/openai/v1/moderations", {"input": "a"}),
        ("music", "POST", SUNO + "/generate", {"prompt": "a"}),
        ("music", "POST", SUNO + "/lyrics", {"prompt": "a"}),
        ("music-poll", "GET", SUNO + "/generate/record-info?taskId=t", None),
        ("credits", "GET", SUNO + "/generate/credit", None),
        ("kling-create", "POST", KLING, {"prompt": "a"}),
        ("kling-poll", "GET", KLING + "/8312", None),
        ("kling", "GET", KLING + "?pageNum=1", None),
        ("kling", "GET", "/kling/account/costs", None),
        ("kling-next-create", "POST", "/kling/text-to-video/kling-3.0", {"prompt": "a"}),
        ("kling-next-poll", "GET", "/kling/tasks?task_ids=1", None),
        ("kling", "POST", "/kling/tasks", {"cursor": 1}),
        ("scenes", "GET", "/db/projects/42/scenes", None),
        ("scene", "GET", "/db/projects/42/scenes/1", None),
        ("scene-create", "POST", "/db/projects/42/scenes", {}),
        ("scene-write", "PATCH", "/db/projects/42/scenes/1", {}),
        ("project-write", "DELETE", "/db/projects/42", None),
        ("session-list", "GET", "/db/sessions?lead_id=7", None),
        ("dashboard", "GET", "/db/organizations/7/dashboard", None),
        ("lead-write", "PUT", "/db/organizations/7/leads/1", {}),
        ("db", "GET", "/db/anything/else", None),
        ("sms", "POST", "/db/sms", {"lead_id": 7, "template": "hello"}),
    ],
)  # fmt: skip
def test_routes(route: str, method: str, target: str, body: object) -> None:
    assert match(method, target, body).route.name == route


SAID = {"model": "m", "messages": [{"role": "user", "content": "a"}]}


@pytest.mark.parametrize(
    ("target", "one", "other"),
    [
        (CHAT, SAID, dict(reversed(SAID.items()))),
        (CHAT, SAID, SAID | {"user": "u", "safety_identifier": "s", "prompt_cache_key": "k"}),
        (CHAT, SAID, SAID | {"stream": False, "n": 1}),
        (CHAT, SAID | {"stream": True, "stream_options": {}},
         SAID | {"stream": True, "stream_options": {"include_obfuscation": False}}),
        ("/openai/v1/embeddings", {"input": "a"}, {"input": "a", "encoding_format": "float"}),
        (SPEECH, {"input": "a"}, {"input": " a\n", "speed": 1, "response_format": "mp3"}),
        (IMAGES, {"prompt": "a"}, {"prompt": "a ", "n": 1, "user": "u"}),
        (SUNO + "/generate", {"prompt": "a", "callBackUrl": "b"},
         {"prompt": "a", "callBackUrl": "c"}),
        (KLING, {"prompt": "a"}, {"prompt": "a", "callback_url": "b"}),
        ("/kling/text-to-video/k", {"prompt": "a", "options": {}},
         {"prompt": "a", "options": {"callback_url": "b"}}),
    ],
)  # fmt: skip
def test_bodies_that_share_an_answer(target: str, one: object, other: object) -> None:
    assert key("POST", target, one) == key("POST", target, other)


@pytest.mark.parametrize(
    ("target", "one", "other"),
    [
        (CHAT, SAID, SAID | {"metadata": {"a": "b"}}),
        (CHAT, SAID, SAID | {"n": 2}),
        (CHAT, SAID, SAID | {"temperature": 0}),
        (CHAT, SAID, SAID | {"stream": True}),
        (CHAT, SAID | {"stream": True},
         SAID | {"stream": True, "stream_options": {"include_usage": True}}),
        (RESPONSES, {"input": "a"}, {"input": "a", "user": "u"}),
        ("/openai/v1/embeddings", {"input": "a"}, {"input": "a", "encoding_format": "base64"}),
        (SPEECH, {"input": "a", "speed": 1}, {"input": "a", "speed": 1.5}),
        (IMAGES, {"prompt": "a"}, {"prompt": "a", "response_format": "b64_json"}),
        (KLING, {"prompt": "a"}, {"prompt": "a", "external_task_id": "b"}),
    ],
)  # fmt: skip
def test_bodies_that_do_not(target: str, one: object, other: object) -> None:
    first, second = key("POST", target, one), key("POST", target, other)
    assert not isinstance(first, Bypass)
    assert not isinstance(second, Bypass)
    assert first != second


@pytest.mark.parametrize(
    "name", ["openai-organization", "openai-project", "x-larder-variant", "authorization"]
)
def test_fields_that_keep_answers_apart(name: str) -> None:
    assert key("POST", CHAT, SAID) != key("POST", CHAT, SAID, {**KEY, name: "other"})


@pytest.mark.parametrize(
    "name", ["user-agent", "x-stainless-retry-count", "idempotency-key", "x-request-id"]
)
def test_fields_that_do_not(name: str) -> None:
    assert key("POST", CHAT, SAID) == key("POST", CHAT, SAID, {**KEY, name: "other"})


def test_a_stream_without_a_session_is_bypassed_and_sessions_are_apart() -> None:
    body = {"command": LIVE + "GenerateWebRtcStream", "params": {"offerSdp": "a"}}
    assert key("POST", COMMAND, body) is Bypass.MISSING_SELECTOR
    one, other = ({**KEY, "x-session-id": session} for session in "ab")
    assert key("POST", COMMAND, body, one) != key("POST", COMMAND, body, other)
    assert key("POST", COMMAND, body, one) == key("POST", COMMAND, {**body, "x": 1}, one)


def test_kling_answers_cross_credentials_only_where_that_is_declared() -> None:
    declared = config(KLING_SCOPE="shared")
    one, other = ({"authorization": f"Bearer {token}"} for token in "ab")
    for method, target in (("POST", KLING), ("GET", KLING + "/1"), ("GET", "/kling/tasks")):
        assert key(method, target, None, one) != key(method, target, None, other)
        assert key(method, target, None, one, declared) == key(
            method, target, None, other, declared
        )


def test_kling_tokens_that_the_proxy_verifies_share_by_issuer(tmp_path: Path) -> None:
    """The other way out that the file's comment offers, done as it says."""
    text = RULES.read_text("utf-8").replace("scope: ${KLING_SCOPE:-credential}", "scope: [jwt.iss]")
    verifying = 'jwt: {key: "${KLING_SECRET_KEY}"}\n\nstore:\n'
    (tmp_path / "rules.yaml").write_text(text.replace("store:\n", verifying, 1), "utf-8")
    rules = load(tmp_path / "rules.yaml", {"KLING_SECRET_KEY": "secret-1"})
    one, later, other, forged = (
        key("POST", KLING, {"prompt": "a"}, {"authorization": f"Bearer {token}"}, rules)
        for token in (
            sign("access-1", "secret-1", NOW),
            sign("access-1", "secret-1", NOW + 9),
            sign("access-2", "secret-1", NOW),
            sign("access-1", "guessed", NOW),
        )
    )
    assert one == later
    assert one != other
    assert forged is Bypass.MISSING_SELECTOR


def chat(*reasons: str | None) -> object:
    return {"choices": [{"finish_reason": reason} for reason in reasons]}


EXPIRES = {"answerSdp": "v=0", "expiresAt": "2027-01-15T08:04:00Z", "mediaSessionId": "m"}


@pytest.mark.parametrize(
    ("method", "target", "body", "answer", "kept"),
    [
        ("POST", CHAT, SAID, chat("stop"), True),
        ("POST", CHAT, SAID, chat("stop", "length"), True),
        ("POST", CHAT, SAID, chat("stop", "content_filter"), False),
        ("POST", CHAT, SAID, chat("tool_calls"), False),
        ("POST", CHAT, SAID, chat(None), False),
        ("POST", CHAT, SAID, {"error": {"message": "no"}}, False),
        ("POST", CHAT, SAID, {"choices": []}, False),
        ("POST", RESPONSES, {"input": "a"}, {"status": "completed", "output": []}, True),
        ("POST", RESPONSES, {"input": "a"}, {"status": "incomplete", "output": []}, False),
        ("POST", RESPONSES, {"input": "a"},
         {"status": "completed", "output": [{"type": "function_call"}]}, False),
        ("GET", RESPONSES + "/r", None, {"status": "in_progress"}, False),
        ("GET", RESPONSES + "/r", None, {"status": "completed"}, True),
        ("POST", SUNO + "/generate", {}, {"code": 200, "data": {"taskId": "t"}}, True),
        ("POST", SUNO + "/generate", {}, {"code": 430, "data": None}, False),
        ("GET", SUNO + "/generate/record-info?taskId=t", None,
         {"code": 200, "data": {"status": "PENDING"}}, False),
        ("GET", SUNO + "/generate/record-info?taskId=t", None,
         {"code": 200, "data": {"status": "SUCCESS"}}, True),
        ("POST", KLING, {}, {"code": 0, "data": {"task_id": "1"}}, True),
        ("POST", KLING, {}, {"code": 1303, "message": "no"}, False),
        ("GET", KLING + "/1", None, {"code": 0, "data": {"task_status": "processing"}}, False),
        ("GET", KLING + "/1", None, {"code": 0, "data": {"task_status": "succeed"}}, True),
        ("GET", "/kling/tasks?task_ids=1,2", None,
         {"code": 0, "data": [{"id": "1", "status": "succeeded"},
                              {"id": "2", "status": "processing"}]}, False),
        ("GET", "/kling/tasks?task_ids=1,2", None,
         {"code": 0, "data": [{"id": "1", "status": "succeeded"},
                              {"id": "2", "status": "succeeded"}]}, True),
        ("POST", COMMAND, {"command": LIVE + "GenerateWebRtcStream"}, {"results": EXPIRES}, True),
        ("POST", COMMAND, {"command": LIVE + "GenerateWebRtcStream"}, {"results": {}}, False),
    ],
)  # fmt: skip
def test_answers_that_are_kept(
    method: str, target: str, body: object, answer: object, *, kept: bool
) -> None:
    matched = match(method, target, body)
    assert matched.route.admits(answered(matched, answer).subject) is kept


def answered(matched: Match, answer: object, status: int = 200) -> Match:
    """The match with an answer in JSON."""
    fields = as_fields([("content-type", "application/json")])
    head = Response(status=status, fields=fields, request_time=NOW, response_time=NOW)
    subject = matched.subject.with_response(head, json.dumps(answer).encode())
    return Match(matched.route, subject)


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        (EXPIRES, 225),
        ({**EXPIRES, "expiresAt": "2027-01-15T09:00:00Z"}, 300),
        ({**EXPIRES, "expiresAt": "2027-01-15T08:00:10Z"}, None),
    ],
)
def test_a_stream_lives_until_shortly_before_google_ends_it(
    answer: object, lifetime: float | None
) -> None:
    matched = match("POST", COMMAND, {"command": LIVE + "GenerateWebRtcStream"})
    told = answered(matched, {"results": answer})
    assert told.route.lifetime(told.subject, NOW) == lifetime


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "answer", "tags"),
    [
        ("POST", COMMAND, {"command": LIVE + "StopWebRtcStream", "params": {"mediaSessionId": "m"}},
         200, {}, ["media:m"]),
        ("POST", COMMAND,
         {"command": LIVE + "ExtendWebRtcStream", "params": {"mediaSessionId": "m"}},
         200, {"results": EXPIRES}, []),
        ("POST", COMMAND,
         {"command": LIVE + "ExtendWebRtcStream", "params": {"mediaSessionId": "m"}},
         400, {}, ["media:m"]),
        ("POST", COMMAND, {"command": "sdm.devices.commands.Fan.SetTimer"}, 200, {},
         ["device:p/d", "devices:p"]),
        ("GET", SUNO + "/generate/record-info?taskId=t", None, 200,
         {"code": 200, "data": {"status": "PENDING"}}, []),
        ("GET", SUNO + "/generate/record-info?taskId=t", None, 200,
         {"code": 200, "data": {"status": "GENERATE_AUDIO_FAILED"}}, ["suno:t"]),
        ("GET", KLING + "/mine", None, 200,
         {"code": 0, "data": {"task_id": "1", "task_status": "failed"}}, ["kling:1"]),
        ("GET", "/kling/tasks?task_ids=1,2,3", None, 200,
         {"code": 0, "data": [{"id": "1", "status": "failed"}, {"id": "2", "status": "processing"},
                              {"id": "3", "status": "failed"}]}, ["kling:1", "kling:3"]),
        ("PATCH", "/db/projects/42/scenes/1", {}, 200, {}, ["project:42:scenes"]),
        ("PATCH", "/db/projects/42/scenes/1", {}, 412, {}, []),
        ("DELETE", "/db/projects/42", None, 204, None,
         ["projects", "project:42", "project:42:scenes"]),
        ("POST", "/db/organizations/7/leads", {}, 201, {}, ["organization:7"]),
    ],
)  # fmt: skip
def test_what_an_answer_drops(
    method: str, target: str, body: object, status: int, answer: object, tags: list[str]
) -> None:
    told = answered(match(method, target, body), answer, status)
    assert [fact.value for fact in told.route.invalidations(told.subject)] == tags


def test_a_submit_and_its_poll_carry_the_tag_that_a_failure_drops() -> None:
    submit = answered(match("POST", SUNO + "/generate", {}), {"code": 200, "data": {"taskId": "t"}})
    poll = answered(match("GET", SUNO + "/generate/record-info?taskId=t"), {"code": 200})
    create = answered(match("POST", KLING, {}), {"code": 0, "data": {"task_id": "1"}})
    for told, tag in ((submit, "suno:t"), (poll, "suno:t"), (create, "kling:1")):
        assert tag in (told.route.tags(told.subject) or ())
