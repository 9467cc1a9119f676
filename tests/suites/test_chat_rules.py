"""Every rule on the plain chat completion fails on the lie that it is there for."""

from typing import Any

import pytest

from tests.suites.conftest import Change, Lies


def set_message(body: Any, **values: object) -> None:
    body["choices"][0]["message"].update(values)


@pytest.mark.parametrize(
    ("rule", "scenario", "lie"),
    [
        ("chat.schema-must", "founding", lambda body: body.pop("created")),
        ("chat.schema-spec", "founding", lambda body: body["choices"][0]["message"].update(annotations=None)),
        ("chat.schema-recommended", "founding", lambda body: body.pop("service_tier")),
        ("chat.choice-count", "founding", lambda body: body["choices"].append(body["choices"][0])),
        ("chat.choice-indexes", "founding", lambda body: body["choices"][0].update(index=1)),
        ("chat.says-something", "founding", lambda body: set_message(body, content="")),
        ("chat.no-empty-tool-calls", "founding", lambda body: set_message(body, tool_calls=[])),
        ("chat.usage-sum", "founding", lambda body: body["usage"].update(total_tokens=1)),
        (
            "chat.usage-parts",
            "founding",
            lambda body: body["usage"]["prompt_tokens_details"].update(cached_tokens=9_999),
        ),
        ("chat.cap-obeyed", "capped", lambda body: body["usage"].update(completion_tokens=13)),
        ("chat.cut-is-called-length", "capped", lambda body: body["choices"][0].update(finish_reason="stop")),
        ("chat.model-named", "founding", lambda body: body.update(model="another")),
    ],
)
def test_a_lie_in_a_completion_is_caught(lies: Lies, rule: str, scenario: str, lie: Change) -> None:
    assert rule in lies.plain(scenario, lie)


def test_the_truth_passes(lies: Lies) -> None:
    assert not lies.plain("founding", lambda _: None)
