"""What became of each request parameter: honoured, ignored, refused cleanly or wrongly, undecided."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness import content
from harness.clients import Connection
from harness.evidence import Observation
from harness.judge import judge
from harness.observe import observer
from harness.parameters import parameter_verdicts
from harness.plan import Call
from harness.scenario import Mode
from tests.servers import Answer, says, server, sized
from tests.suites.conftest import Lies

ERROR = {"error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": None}}


def answers_of(*observations: Observation) -> Mapping[str, str]:
    rules = content.rules().values()
    found = parameter_verdicts(rules, list(judge(rules, observations)), observations)
    return {each.parameter: each.answer for each in found}


def told(answer: Answer, scenario: str) -> Observation:
    with server(answer) as base_url, observer(Connection(base_url, "standin-1", "sk-x"), ["raw"], []) as asks:
        return asks.observe(Call(content.scenarios()[scenario], "raw", Mode.PLAIN))


def refuses(status: int, body: object) -> Answer:
    return says(sized(json.dumps(body).encode(), f"{status} No"))


@pytest.mark.parametrize(
    ("scenario", "parameter"),
    [
        ("capped", "max_tokens"),
        ("capped-completion", "max_completion_tokens"),
        ("stop", "stop"),
        ("two-choices", "n"),
        ("top-logprobs", "logprobs"),
        ("json-object", "response_format"),
        ("tool-call-named", "tool_choice"),
        ("tool-call-single", "parallel_tool_calls"),
        ("embedding-dimensions", "dimensions"),
        ("embedding-base64", "encoding_format"),
        ("nulls", "stream"),
    ],
)
def test_the_reference_endpoint_honours(lies: Lies, scenario: str, parameter: str) -> None:
    assert answers_of(lies.truth(scenario, "raw", Mode.PLAIN))[parameter] == "honoured"


def test_a_stream_option_is_honoured_in_the_stream(lies: Lies) -> None:
    assert answers_of(lies.truth("with-usage", "raw", Mode.STREAM))["stream_options"] == "honoured"


def test_a_seed_is_judged_by_both_modes(lies: Lies) -> None:
    both = [lies.truth("seeded", "raw", mode) for mode in Mode]
    assert answers_of(*both)["seed"] == "honoured"


def test_one_choice_where_two_were_asked_for_is_ignored(lies: Lies) -> None:
    body: Any = json.loads(lies.truth("two-choices", "raw", Mode.PLAIN).response.body)
    del body["choices"][1]
    seen = told(says(sized(json.dumps(body).encode())), "two-choices")
    assert answers_of(seen)["n"] == "ignored"


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (400, ERROR, "refused cleanly"),
        (404, {"detail": "Not Found"}, "refused cleanly"),
        (400, {"detail": "no"}, "refused wrongly"),
        (500, ERROR, "refused wrongly"),
        (429, ERROR, "undecided"),
    ],
)
def test_a_refusal_is_told_by_its_manner(status: int, body: object, answer: str) -> None:
    assert answers_of(told(refuses(status, body), "two-choices"))["n"] == answer


def test_an_answer_that_ends_before_its_cap_decides_nothing(lies: Lies) -> None:
    body: Any = json.loads(lies.truth("capped", "raw", Mode.PLAIN).response.body)
    body["choices"][0].update(finish_reason="stop", message={"role": "assistant", "content": "1"})
    body["usage"].update(completion_tokens=1)
    assert answers_of(told(says(sized(json.dumps(body).encode())), "capped"))["max_tokens"] == "undecided"


def test_a_text_that_differs_is_undecided_when_the_backend_may_have_changed(lies: Lies) -> None:
    plain, streamed = (lies.truth("seeded", "raw", mode) for mode in Mode)
    body: Any = json.loads(plain.response.body)
    body["choices"][0]["message"]["content"] = "something else"
    body["system_fingerprint"] = None
    other = told(says(sized(json.dumps(body).encode())), "seeded")
    assert answers_of(other, streamed)["seed"] == "undecided"
