"""What a run says before any format."""

from dataclasses import replace

import pytest

from harness.report import findings
from harness.rule import Violation
from harness.run import Tokens
from harness.uses import UseCell, UseState
from harness.verdict import Outcome, Verdict
from tests.report.runs import CLIENTS, CONFORMING, FAILING, INTERRUPTED, run, verdict

NULL = Violation("null", "a string", "/choices/0/id")


def test_findings_are_ordered_by_level_and_then_by_cells() -> None:
    verdicts = [
        verdict("made.polite", Outcome.FAIL, level="recommended", evidence=[NULL]),
        verdict("made.once", Outcome.FAIL, evidence=[NULL]),
        verdict("made.twice", Outcome.FAIL, evidence=[NULL]),
        verdict("made.twice", Outcome.FAIL, cell=("founding", "openai", "plain"), evidence=[NULL]),
        verdict("made.grave", Outcome.FAIL, level="must", evidence=[NULL]),
    ]
    found = findings.findings(run(verdicts))
    assert [finding.rule.id for finding in found] == ["made.grave", "made.twice", "made.once", "made.polite"]
    assert [finding.counts for finding in found] == [True, True, True, False]


def test_violations_that_differ_in_numbers_of_their_place_alone_are_one_kind() -> None:
    evidence = [
        Violation("null", "a string", "/choices/0/id", 1),
        Violation("7", "a string", "/choices/1/id", 2),
        Violation("7", "a string", "/choices/1/name"),
        Violation("7", "an object", "/choices/1/id"),
    ]
    cells = [("founding", "raw", "plain"), ("founding", "openai", "plain")]
    verdicts = [verdict("made.up", Outcome.FAIL, cell=cell, evidence=evidence) for cell in cells]
    (finding,) = findings.findings(run(verdicts))
    assert [(kind.first.expected, kind.count) for kind in finding.kinds] == [
        ("a string", 4),
        ("a string", 2),
        ("an object", 2),
    ]
    assert finding.kinds[0].first == evidence[0]


def test_a_failure_without_evidence_is_a_finding_still() -> None:
    (finding,) = findings.findings(run([verdict("made.up", Outcome.FAIL, reason="it just fails")]))
    assert (finding.kinds, finding.example.reason) == ((), "it just fails")


def test_scenarios_that_fail_alike_are_named_together() -> None:
    cells = [("a", "raw", "plain"), ("a", "openai", "stream"), ("b", "raw", "plain"), ("c", "raw", "plain")]
    verdicts = [verdict("made.up", cell=cell) for cell in cells]
    assert findings.cells(verdicts, 12) == "a: raw plain, openai stream; b, c: raw plain"
    assert findings.cells(verdicts, 1) == "a: raw plain, 1 more; 1 more"
    whole = verdict("made.up", cell=("all", "all", "both"))
    assert findings.cells([*verdicts[3:], whole], 12) == "c: raw plain; the whole run"


def test_a_verdict_about_both_modes_is_shown_by_the_stream() -> None:
    assert findings.shown_cell(verdict("made.up", cell=("a", "raw", "both"))) == ("a", "raw", "stream")
    assert findings.shown_cell(verdict("made.up", cell=("a", "raw", "plain"))) == ("a", "raw", "plain")


def test_a_request_that_was_never_sent_has_no_curl_line() -> None:
    sent, unsent = CONFORMING.requests[0], replace(CONFORMING.requests[1], ended="unsent")
    assert list(findings.curls(replace(CONFORMING, requests=[sent, unsent]))) == [
        ("founding", "raw", "plain")
    ]


def test_reasons_are_told_by_outcome_and_then_by_frequency() -> None:
    verdicts = [
        verdict("made.a", Outcome.INCONCLUSIVE, reason="once"),
        verdict("made.a", Outcome.INCONCLUSIVE, reason="twice"),
        verdict("made.b", Outcome.INCONCLUSIVE, reason="twice"),
        verdict("made.c", Outcome.ERROR, reason="ours"),
        verdict("made.d", Outcome.WAIVED, reason="known"),
    ]
    told = findings.reasons(verdicts, Outcome.ERROR, Outcome.INCONCLUSIVE)
    assert [(reason.text, reason.rules) for reason in told] == [
        ("ours", ("made.c",)),
        ("twice", ("made.a", "made.b")),
        ("once", ("made.a",)),
    ]


def test_the_sentence_says_what_the_table_says() -> None:
    assert findings.answer(CONFORMING) == "works for all 2 uses; no rule fails."
    assert findings.answer(FAILING) == (
        "breaks in chat (raw, openai); works in part for stream; 2 rules fail, and 1 beyond level spec; "
        "1 rule broke by a fault of likewise."
    )
    assert findings.answer(INTERRUPTED) == (
        "(partial: it was interrupted after 1 of 6 calls) works for chat; "
        "no rule fails of those that were judged."
    )


def test_the_sentence_promises_nothing_that_was_not_judged() -> None:
    nothing = [verdict("made.up", Outcome.INCONCLUSIVE, reason="HTTP 500")]
    unjudged = replace(run(nothing), uses=[UseCell("chat", "raw", "not judged", "HTTP 500")])
    assert findings.answer(unjudged) == "not judged: chat; no rule could be judged."
    assert findings.answer(replace(unjudged, uses=[])) == (
        "was not asked anything that shows a use; no rule could be judged."
    )
    assert findings.answer(replace(unjudged, unjudged="the founding calls came to nothing: HTTP 429")) == (
        "could not be judged: the founding calls came to nothing: HTTP 429."
    )


@pytest.mark.parametrize("state", ["breaks", "deviates", "not judged", "not asked", "works in part"])
def test_no_sentence_says_that_all_works_where_a_use_does_not(state: UseState) -> None:
    told = findings.answer(run([verdict("made.up")], uses=[UseCell("chat", "raw", state, "because")]))
    assert "works for all" not in told or state == "not asked"


def test_failures_beyond_the_level_are_told_and_not_counted() -> None:
    polite = run([verdict("made.polite", Outcome.FAIL, level="recommended", evidence=[NULL])])
    assert findings.answer(polite).endswith("; 1 rule fails beyond level spec.")
    assert findings.answer(replace(polite, level="recommended")).endswith("; 1 rule fails.")


def test_the_cost_names_only_the_tokens_that_were_said() -> None:
    both = replace(CONFORMING, tokens=Tokens(1_234, 1))
    assert findings.cost_sentence(both) == "6 requests, 1,234 prompt tokens and 1 completion token, 12 s"
    assert findings.cost_sentence(replace(both, tokens=Tokens(None, 2))) == (
        "6 requests, 2 completion tokens, 12 s"
    )
    assert findings.cost_sentence(replace(both, tokens=Tokens(None, None))) == (
        "6 requests, no usage said, 12 s"
    )


def _raising(client: str, outcome: Outcome, cause: str = "") -> Verdict:
    told = verdict("client.no-exception", outcome, level="must", cell=("founding", client, "stream"))
    return replace(told, cause=cause)


@pytest.mark.parametrize(
    ("other", "effect"),
    [
        (_raising("openai", Outcome.FAIL), "raises"),
        (_raising("openai", Outcome.CONSEQUENCE, "made.event"), "raises"),
        (_raising("openai", Outcome.CONSEQUENCE, "made.other"), None),
        (_raising("openai", Outcome.INCONCLUSIVE), None),
    ],
)
def test_an_exception_is_told_under_the_finding_that_it_follows_from(other: Verdict, effect: str) -> None:
    failing = verdict("made.event", Outcome.FAIL, cell=("founding", "openai", "stream"))
    made = run([failing, other])
    requests = [
        replace(one, effect="raises" if one.client == "openai" else one.effect) for one in made.requests
    ]
    made = replace(made, requests=requests)
    found = next(one for one in findings.findings(made) if one.rule.id == "made.event")
    told = {one.client: one.effect for one in findings.client_effects(made, found)}
    assert told.get("openai 1.0") == effect
    assert told["raw 1.0"] == "unaffected"


def test_a_finding_does_not_say_breaks_of_a_client_that_was_seen_unaffected() -> None:
    text = findings.RuleText(
        "made.up", "must", "made", "", "The SDK raises; LangChain loses a chunk. Agents stop.", ""
    )
    unharmed = [
        findings.ClientEffect("openai 3.54.0", "unaffected", ""),
        findings.ClientEffect("httpx 0.28", "raises", ""),
    ]
    assert findings.who_else_breaks(text, unharmed) == "LangChain loses a chunk. Agents stop."
    assert findings.who_else_breaks(text, []) == text.breaks


def test_what_follows_from_a_finding_stands_under_it() -> None:
    failing = verdict("made.event", Outcome.FAIL)
    follows = [
        replace(
            verdict("made.next", Outcome.CONSEQUENCE, cell=("founding", client, "plain")), cause="made.event"
        )
        for client in CLIENTS
    ]
    (found,) = findings.findings(run([failing, *follows]))
    assert found.followed_by == (("made.next", 3),)
    assert findings.followers(found, 5) == "made.next (3)"
