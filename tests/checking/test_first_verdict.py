"""The first verdict: what a check says of an endpoint of which it knows an address, a model and a key."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import run
from harness.check import Check, Settings, check, narrowed, plan_for
from harness.evidence import Observation
from harness.plan import Budget
from harness.report.findings import answer
from harness.run import Run
from harness.scenario import Mode
from harness.target import CAPABILITIES, Target, ad_hoc
from harness.uses import USES, UseName, use_of_call
from harness.verdict import Outcome
from tests.checking.fronts import (
    KEY,
    MODEL,
    THOUGHTS_TOKENS,
    Asked,
    Front,
    InPlaceOfSuccess,
    Said,
    always_429,
    refusal,
    refuses_max_completion_tokens,
    refuses_max_tokens,
    standing_before,
    thinks_in_secret,
)
from tests.servers import sized

RAW = Settings(clients=("raw",))
ALL = frozenset(CAPABILITIES)


def hands_on(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Changes nothing."""
    return asked


def checked(
    folder: Path,
    front: Front,
    *faults: str,
    settings: Settings = RAW,
    change: Callable[[Target], Target] = lambda target: target,
    uses: Sequence[UseName] = (),
) -> tuple[Run, Check]:
    """The run of a check of an endpoint by its address alone, as far as these uses go; none: of all."""
    with standing_before(front, *faults) as base_url:
        target = change(ad_hoc(base_url, MODEL, "FRONT_KEY"))
        planned = plan_for(target, settings)
        if uses:
            asked = {call.key for call in planned.every_call if use_of_call(call.scenario, call.mode) in uses}
            planned = narrowed(planned, asked, target, settings.budget)
        with check(target, settings, {"FRONT_KEY": KEY}, planned) as checking:
            checking.observe(folder, lambda _: None)
            made = checking.judged()
    run.save(made, folder)
    return run.load(folder), checking


def failing(made: Run) -> set[str]:
    return {verdict.rule for verdict in made.failures()}


def state(made: Run, use: str, client: str = "raw") -> str:
    return next(cell.state for cell in made.uses if (cell.use, cell.client) == (use, client))


# --- discovery ---


def test_what_a_right_endpoint_can_do_is_found_out_and_judged_whole(tmp_path: Path) -> None:
    """With no claim, all is asked that is asked when all is claimed, but what only a claim can call for."""
    made, _ = checked(tmp_path, hands_on)
    assert (made.exit_code, failing(made)) == (0, set())
    assert {cell.state for cell in made.uses} == {"works"}
    claimed = plan_for(replace(ad_hoc("http://127.0.0.1:1/v1", MODEL, "K"), claims=ALL), RAW)
    only_claimed = {call.scenario.id for call in claimed.calls if "strict-params" in call.scenario.needs}
    asked = {(one.scenario, one.client, one.mode) for one in made.requests}
    assert asked == {
        (call.scenario.name, call.client, call.mode.value)
        for call in claimed.calls
        if call.scenario.id not in only_claimed
    }


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("st-index-missing", "tools.fragment-index"),
        ("re-terminal-missing", "responses.terminal-event"),
    ],
)
def test_a_fault_of_what_nobody_claims_is_found(tmp_path: Path, fault: str, rule: str) -> None:
    made, _ = checked(tmp_path, hands_on, fault, uses=("chat", "streamed tools", "Responses"))
    assert made.exit_code == 1
    assert rule in failing(made)
    assert "no rule fails" not in answer(made)


def has_no_responses(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Knows no such path."""
    if path.endswith("/responses"):
        return refusal("Unknown request URL.", status="404 Not Found", code="unknown_url")
    return asked


def test_what_is_refused_cleanly_is_unsupported_and_not_asked_again(tmp_path: Path) -> None:
    both = replace(RAW, clients=("raw", "openai"))
    made, _ = checked(tmp_path, has_no_responses, settings=both, uses=("chat", "Responses"))
    assert (made.exit_code, failing(made)) == (0, set())
    assert {state(made, "Responses", client) for client in both.clients} == {"unsupported"}
    asked = [one for one in made.requests if one.scenario.startswith("response")]
    assert {one.status for one in asked} == {404}
    assert {(one.client, one.mode) for one in asked} == {("raw", "plain"), ("raw", "stream")}
    assert "does not support Responses" in answer(made)


def has_no_tools_in_chat(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Takes tools on /responses alone."""
    if path.endswith("/chat/completions") and "tools" in asked:
        return refusal("tools is not supported.", param="tools", code="unsupported_parameter")
    return asked


def test_a_refusal_in_one_operation_says_nothing_of_another(tmp_path: Path) -> None:
    made, _ = checked(tmp_path, has_no_tools_in_chat, uses=("chat", "tools", "Responses"))
    assert (made.exit_code, failing(made)) == (0, set())
    assert (state(made, "tools"), state(made, "Responses")) == ("unsupported", "works")
    asked = {one.scenario for one in made.requests}
    assert {"response-tool", "response-tool-named", "response-tool-result"} <= asked
    assert "tool-call-named" not in asked


def keeps_no_response(method: str, path: str, asked: Asked) -> Said:
    """Answers on /responses, and keeps nothing of it."""
    if "previous_response_id" in asked or (method == "GET" and "/responses/" in path):
        return refusal(
            "Responses are not kept here.", param="previous_response_id", code="unsupported_parameter"
        )
    return asked


def test_what_only_a_follow_up_can_show_is_found_out_by_it(tmp_path: Path) -> None:
    made, _ = checked(tmp_path, keeps_no_response, uses=("chat", "Responses"))
    assert (made.exit_code, failing(made)) == (0, set())
    cell = next(cell for cell in made.uses if (cell.use, cell.client) == ("Responses", "raw"))
    assert (cell.state, cell.reason) == ("works", "without stored-responses")


def streams_done_alone(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Answers every stream of /responses with nothing but its end."""
    if path.endswith("/responses") and asked.get("stream"):
        return InPlaceOfSuccess(sized(b"data: [DONE]\n\n", media_type="text/event-stream"))
    return asked


def test_what_is_answered_wrongly_fails_without_a_claim(tmp_path: Path) -> None:
    made, _ = checked(tmp_path, streams_done_alone, uses=("chat", "Responses"))
    assert (made.exit_code, state(made, "Responses")) == (1, "breaks")


def streams_tools_as_one_body(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Answers every stream with tools as one JSON body."""
    if path.endswith("/chat/completions") and asked.get("tools") and asked.get("stream"):
        return {name: value for name, value in asked.items() if name not in {"stream", "stream_options"}}
    return asked


def test_a_stream_that_is_none_breaks_streamed_tools_and_nothing_else(tmp_path: Path) -> None:
    made, _ = checked(
        tmp_path, streams_tools_as_one_body, uses=("chat", "stream", "tools", "streamed tools", "JSON")
    )
    assert state(made, "streamed tools") == "breaks"
    assert {state(made, use) for use in ("chat", "stream", "tools", "JSON")} == {"works"}
    assert answer(made).startswith("breaks in streamed tools; ")


def test_embeddings_are_asked_of_the_model_that_is_listed(tmp_path: Path) -> None:
    made, checking = checked(tmp_path, hands_on, uses=("chat", "models", "embeddings"))
    seen = [one for (name, _, _), one in checking.observations.items() if name == "embedding-text"]
    assert [one.asked["model"] for one in seen] == ["standin-embedding-1"]
    assert state(made, "embeddings") == "works"


def lists_a_hundred_thousand_models(method: str, path: str, asked: Asked) -> Said:
    """A list that is longer than anybody reads."""
    if method == "GET" and path.endswith("/models"):
        models = [
            {"id": f"model-{at}", "object": "model", "created": 1, "owned_by": "me"} for at in range(100_000)
        ]
        return sized(json.dumps({"object": "list", "data": models}).encode())
    return asked


def lists_models_as_a_page(method: str, path: str, asked: Asked) -> Said:
    """A web page where the list belongs."""
    if method == "GET" and path.endswith("/models"):
        return sized(b"<!doctype html><title>Models</title>", media_type="text/html")
    return asked


@pytest.mark.parametrize("front", [lists_a_hundred_thousand_models, lists_models_as_a_page])
def test_whatever_a_list_of_models_is_the_rest_is_judged(tmp_path: Path, front: Front) -> None:
    made, _ = checked(tmp_path, front, uses=("chat", "stream", "models", "embeddings"))
    assert {state(made, use) for use in ("chat", "stream")} == {"works"}
    assert not [one for one in made.verdicts if one.outcome is Outcome.ERROR]


def calls_no_tool(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """A model that calls no tool by itself, at an endpoint where no call can be demanded."""
    if asked.get("tool_choice") not in (None, "auto", "none"):
        return refusal("tool_choice is not supported.", param="tool_choice", code="unsupported_parameter")
    return {name: value for name, value in asked.items() if name not in {"tools", "tool_choice"}}


def test_a_claim_that_nothing_shows_fails(tmp_path: Path) -> None:
    def claims_tools(target: Target) -> Target:
        return replace(target, claims=frozenset({"tools", "n"}))

    made, _ = checked(tmp_path, calls_no_tool, change=claims_tools, uses=("chat", "tools", "parameters"))
    (verdict,) = [one for one in made.verdicts if one.rule == "claims.shown"]
    assert (verdict.outcome, len(verdict.evidence)) == (Outcome.FAIL, 1)
    assert "nothing of tools: " in verdict.reason
    unclaimed, _ = checked(tmp_path, calls_no_tool, uses=("chat", "tools"))
    assert not [one for one in unclaimed.verdicts if one.rule == "claims.shown"]
    assert state(unclaimed, "tools") == "not judged"


def test_a_small_budget_reaches_every_use_that_people_need_most(tmp_path: Path) -> None:
    made, _ = checked(tmp_path, hands_on, settings=replace(RAW, budget=Budget(requests=14)))
    asked = {one.scenario for one in made.requests}
    assert {"founding", "tool-call", "json-schema", "no-messages"} <= asked
    assert len(made.requests) == 14
    assert made.partial
    assert answer(made).startswith("(partial: the budget left out ")
    assert "works" not in {state(made, use) for use in ("parameters", "Responses")}


# --- fit ---


def caps(checking: Check) -> set[str]:
    about_caps = {"max-tokens", "max-completion-tokens"}
    return {
        name
        for seen in checking.observations.values()
        if not seen.scenario.needs & about_caps and seen.exchange.request.url.endswith("/chat/completions")
        for name in ("max_tokens", "max_completion_tokens")
        if name in seen.asked
    }


@pytest.mark.parametrize(
    ("front", "spelling"),
    [
        (refuses_max_tokens, {"max_completion_tokens"}),
        (refuses_max_completion_tokens, {"max_tokens"}),
        (hands_on, {"max_tokens"}),
    ],
)
def test_a_cap_is_spelled_as_the_endpoint_takes_it(tmp_path: Path, front: Front, spelling: set[str]) -> None:
    settings = replace(RAW, clients=("raw", "openai", "langchain"), modes=(Mode.PLAIN,))
    uses: tuple[UseName, ...] = ("chat", "tools", "JSON", "errors", "parameters")
    made, checking = checked(tmp_path, front, settings=settings, uses=uses)
    assert (made.exit_code, failing(made)) == (0, set())
    assert caps(checking) == spelling
    told = [note for note in made.notes if "max_tokens" in note]
    assert len(told) == (1 if spelling == {"max_completion_tokens"} else 0)


@pytest.mark.parametrize("preset", ["openai", "azure"])
def test_a_preset_of_todays_models_passes_where_max_tokens_is_refused(tmp_path: Path, preset: str) -> None:
    from harness.target import presets

    claims = presets()[preset].claims
    made, _ = checked(tmp_path, refuses_max_tokens, change=lambda target: replace(target, claims=claims))
    assert (made.exit_code, failing(made)) == (0, set())


def test_a_model_that_thinks_gets_room_for_its_answer(tmp_path: Path) -> None:
    settings = replace(RAW, clients=("raw", "openai", "langchain"))
    uses: tuple[UseName, ...] = ("chat", "stream", "tools", "JSON", "parameters")
    made, checking = checked(tmp_path, thinks_in_secret, settings=settings, uses=uses)
    assert (made.exit_code, failing(made)) == (0, set())
    assert {
        state(made, use, client) for use in ("chat", "stream", "tools") for client in settings.clients
    } == {"works"}
    assert checking.fit.thinking_tokens > THOUGHTS_TOKENS
    assert [note for note in made.notes if "thinks before it answers" in note]
    cut = [one for one in checking.observations.values() if one.scenario.is_cut]
    assert all(
        int(str(one.asked.get("max_tokens") or one.asked.get("max_output_tokens") or 0)) < 64 for one in cut
    )


def test_the_tokens_of_a_thinking_model_are_bounded(tmp_path: Path) -> None:
    bounded = replace(RAW, budget=Budget(tokens=4_000))
    _, checking = checked(tmp_path, thinks_in_secret, settings=bounded, uses=("chat", "stream"))
    assert checking.current.tokens <= 4_000


# --- what fails for a while, and what fails for ever ---


def test_an_endpoint_that_is_always_busy_is_not_judged(tmp_path: Path) -> None:
    settings = replace(RAW, clients=("raw", "openai"))
    made, _ = checked(
        tmp_path, always_429, settings=settings, change=lambda target: replace(target, retries=1)
    )
    assert made.exit_code == 3
    assert answer(made).startswith(
        "could not be judged: the founding calls came to nothing: HTTP 429 (4 of 4)"
    )
    assert {cell.state for cell in made.uses} == {"not judged", "not asked"}
    assert len(made.requests) == 5


def fails_first(answer_first: bytes) -> Front:
    """Fails each request the first time that it is sent, and answers it the second time."""
    seen: set[str] = set()

    def front(method: str, path: str, asked: Asked) -> Said:
        request = json.dumps([method, path, asked], sort_keys=True)
        is_first = request not in seen
        seen.add(request)
        return answer_first if is_first else asked

    return front


@pytest.mark.parametrize(
    ("broken", "kind"),
    [(refusal("Oops.", status="500 Internal Server Error"), "HTTP 500"), (b"", "cut")],
)
def test_what_fails_once_and_not_again_is_flakiness_and_no_finding(
    tmp_path: Path, broken: bytes, kind: str
) -> None:
    settings = replace(RAW, modes=(Mode.STREAM,), concurrency=1)
    made, _ = checked(tmp_path, fails_first(broken), settings=settings, uses=("stream", "JSON"))
    assert (made.exit_code, failing(made)) == (0, set())
    assert made.flakiness.flaky > len(made.requests) // 2
    assert set(made.flakiness.kinds) == {kind}
    assert f"× {kind}" in made.flakiness.sentence


def fails_at_tools(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
    """Breaks down at every request with tools."""
    return refusal("Oops.", status="500 Internal Server Error") if asked.get("tools") else asked


def test_what_fails_each_time_is_a_finding_and_no_flake(tmp_path: Path) -> None:
    made, _ = checked(tmp_path, fails_at_tools, uses=("chat", "stream", "tools", "JSON"))
    assert made.exit_code == 1
    assert state(made, "tools") == "breaks"
    assert made.flakiness.flaky == 0
    assert {state(made, use) for use in ("chat", "stream", "JSON")} == {"works"}


@pytest.mark.parametrize(
    ("busy", "rule"),
    [
        (sized(b"<h1>Slow down</h1>", "429 Too Many Requests", media_type="text/html"), "errors.busy-form"),
        (
            refusal("Slow down.", status="429 Too Many Requests").replace(
                b"Connection: close", b"Retry-After: soon\r\nConnection: close"
            ),
            "errors.retry-after",
        ),
    ],
)
def test_a_wrong_429_is_a_finding_even_where_the_next_try_is_answered(
    tmp_path: Path, busy: bytes, rule: str
) -> None:
    counted = itertools.count(1)

    def is_busy_once(method: str, path: str, asked: Asked) -> Said:  # noqa: ARG001  # a front
        return busy if next(counted) == 2 else asked

    settings = replace(RAW, profile="smoke", concurrency=1)
    made, _ = checked(tmp_path, is_busy_once, settings=settings)
    assert failing(made) == {rule}
    assert made.flakiness.flaky == 0


# --- the use table ---


@pytest.mark.parametrize(
    ("fault", "use"),
    [
        ("cn-usage-missing", "usage"),
        ("re-usage-sum", "Responses"),
        ("er-401-accepted", "errors"),
        ("em-order", "embeddings"),
    ],
)
def test_every_finding_stands_in_a_row_that_says_so(tmp_path: Path, fault: str, use: UseName) -> None:
    """Whatever fails at level spec, a cell deviates or breaks, and the sentence says where."""
    made, _ = checked(tmp_path, hands_on, fault, uses=("chat", "stream", use))
    assert made.failures()
    assert {cell.use for cell in made.uses if cell.state in {"breaks", "deviates"}} == {use}
    assert answer(made).startswith((f"breaks in {use}; ", f"deviates in {use}; "))


def test_the_smoke_profile_says_what_it_did_not_ask(tmp_path: Path) -> None:
    made, _ = checked(tmp_path, hands_on, settings=replace(RAW, profile="smoke"))
    assert len(made.requests) <= 8
    not_asked = [cell for cell in made.uses if cell.state == "not asked"]
    assert {cell.use for cell in not_asked} >= set(USES) - {"chat", "stream", "usage"}
    assert {cell.reason for cell in not_asked} == {"the profile smoke asks the founding calls alone"}


@pytest.mark.parametrize(
    ("modes", "use", "reason"),
    [
        ((Mode.PLAIN,), "stream", "only plain answers were asked for"),
        ((Mode.STREAM,), "tools", "only streams were asked for"),
    ],
)
def test_what_the_modes_leave_out_is_said(
    tmp_path: Path, modes: Sequence[Mode], use: str, reason: str
) -> None:
    made, _ = checked(
        tmp_path, hands_on, settings=replace(RAW, modes=modes), uses=("chat", "stream", "tools")
    )
    assert [(cell.state, cell.reason) for cell in made.uses if cell.use == use] == [("not asked", reason)]


def test_what_an_interruption_left_unasked_works_in_part(tmp_path: Path) -> None:
    with standing_before(hands_on) as base_url:
        target = ad_hoc(base_url, MODEL, "FRONT_KEY")
        seen: list[Observation] = []

        def leave_after_the_quick_start(one: Observation) -> None:
            seen.append(one)
            if len(seen) == _FEW_CALLS:
                raise KeyboardInterrupt

        with check(target, RAW, {"FRONT_KEY": KEY}) as checking:
            with pytest.raises(KeyboardInterrupt):
                checking.observe(tmp_path, leave_after_the_quick_start)
            made = checking.judged()
    states = {cell.use: cell for cell in made.uses}
    assert states["chat"].state == "works in part"
    assert "interrupted" in states["chat"].reason
    assert made.exit_code == 0
    assert "interrupted" in answer(made)
    assert answer(made).startswith("(partial: ")
    assert states["legacy completions"].state == "not asked"
    assert states["legacy completions"].reason == "the run was interrupted before it was asked"


_FEW_CALLS = 8
