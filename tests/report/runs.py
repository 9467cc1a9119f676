"""Hand-made runs: one that conforms, one that fails, one that was interrupted, one full of hostile text.

Their rules are made up, so that no change of the suites' wording changes what the reports say of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.flakiness import Flakiness
from harness.parameters import ParameterVerdict
from harness.rates import Rate, rates
from harness.report import Exchanges
from harness.rule import Level, Violation
from harness.run import SCHEMA, Environment, RequestSummary, Run, TargetSummary, Tokens
from harness.uses import UseCell
from harness.verdict import Outcome, Verdict
from harness.wire.exchange import Ending, Exchange, Read, Request, Response

CLIENTS = ("raw", "openai", "langchain")
MODES = ("plain", "stream")

HOSTILE = (
    "\x1b[31mred\x1b[0m \u202eevil\u202c \x00\x07\x85\u2028 \ud800 \ufffe [bold red]markup[/] "
    "</textarea><script>alert(1)</script>"
    " ]]> & \" ' <b>@someone</b> ``` `x` [link](http://evil.example) | pipe \\| <!-- http://evil.example"
)
"""Terminal escapes, overrides of direction, markup of every format, what XML and UTF-8 can't hold."""

PLAIN_BODY = b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":null}]}'
STREAM_BODY = b'data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n'


def exchange(body: bytes, *, reads: int = 1, status: int = 200) -> Exchange:
    """An exchange whose body came in so many reads, 10 ms apart."""
    size = -(-len(body) // reads) or 1
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return Exchange(
        Request("POST", "http://127.0.0.1:9/v1/chat/completions", (), b"{}", 0),
        Response(
            status,
            "HTTP/1.1",
            (("content-type", "application/json"),),
            5_000_000,
            tuple(Read((at + 1) * 10_000_000, piece) for at, piece in enumerate(pieces)),
        ),
        Ending.COMPLETE,
        (len(pieces) + 1) * 10_000_000,
    )


def verdict(
    rule: str,
    outcome: Outcome = Outcome.PASS,
    *,
    level: Level = "spec",
    cell: tuple[str, str, str] = ("founding", "raw", "plain"),
    reason: str = "",
    evidence: Sequence[Violation] = (),
) -> Verdict:
    """A verdict; the surface is what stands before the dot of the rule's id."""
    if evidence and not reason:
        reason = f"received {evidence[0].received}; expected {evidence[0].expected}"
    return Verdict(rule, level, rule.partition(".")[0], *cell, outcome, reason, tuple(evidence))


def run(verdicts: Sequence[Verdict], *, uses: Sequence[UseCell] = ()) -> Run:
    """A complete run of the six founding calls with these verdicts; they work but for what `uses` says."""
    cells = [(client, mode) for client in CLIENTS for mode in MODES]
    said = {(cell.use, cell.client): cell for cell in uses}
    return Run(
        schema=SCHEMA,
        target=TargetSummary("mine", "http://127.0.0.1:9/v1", "standin-1", "openai"),
        started="2026-11-24T04:05:05+00:00",
        finished="2026-11-24T04:05:17+00:00",
        is_complete=True,
        partial=[],
        unjudged="",
        level="spec",
        environment=Environment("0.1.0", "3.11.7", "Linux", {client: f"{client} 1.0" for client in CLIENTS}),
        requests=[
            RequestSummary(
                *("founding", client, mode, 200, "complete", 12.5, 1, "unaffected", ""),
                f"curl -X POST 'http://127.0.0.1:9/v1/chat/completions' --data-binary '{{\"{mode}\":1}}'",
                is_quick_start=True,
            )
            for client, mode in cells
        ],
        tokens=Tokens(1_234, None),
        flakiness=Flakiness(6, 0, {}, 0.0, 0.3903),
        uses=[
            said.get((use, client), UseCell(use, client, "works"))
            for use in ("chat", "stream")
            for client in CLIENTS
        ],
        parameters=[ParameterVerdict("stop", "honoured", ["stop raw plain"], "")],
        rates=list(rates(verdicts)),
        notes=[],
        verdicts=list(verdicts),
    )


CONFORMING = run(
    [verdict("made.up", cell=("founding", client, mode)) for client in CLIENTS for mode in MODES]
    + [verdict("made.waived", Outcome.WAIVED, reason="MY-1: it is known and clients cope.")]
)

_NULL_REASON = Violation("null", "a string", "/choices/0/finish_reason")
_SECOND_EVENT = Violation('{"n":2}', '{"n":1}', "/n", 1, (15, 30))

FAILING = run(
    [
        verdict("made.null", Outcome.FAIL, level="must", evidence=[_NULL_REASON]),
        verdict(
            "made.null",
            Outcome.FAIL,
            level="must",
            cell=("founding", "openai", "plain"),
            evidence=[_NULL_REASON, Violation("no body", "a body")],
        ),
        verdict("made.null", level="must", cell=("capped", "raw", "plain")),
        *(
            verdict("made.event", Outcome.FAIL, cell=("founding", client, "stream"), evidence=[_SECOND_EVENT])
            for client in CLIENTS
        ),
        verdict("made.polite", Outcome.FAIL, level="recommended", evidence=[Violation("nothing", "a date")]),
        verdict("made.limited", Outcome.INCONCLUSIVE, reason="rate limited (HTTP 429) after 3 attempts"),
        verdict("made.broken", Outcome.ERROR, reason="the rule itself raised KeyError: 'x'"),
        verdict("made.tools", Outcome.UNSUPPORTED, reason="not claimed, and refused cleanly"),
        verdict("made.whole", cell=("all", "all", "both")),
    ],
    uses=[
        UseCell("chat", "raw", "breaks", "made.null: received null; expected a string"),
        UseCell("chat", "openai", "breaks", "made.null: received null; expected a string"),
        UseCell("stream", "langchain", "not judged", "rate limited (HTTP 429)"),
    ],
)

INTERRUPTED = replace(
    run([verdict("made.up")]),
    is_complete=False,
    partial=["it was interrupted after 1 of 6 calls"],
    uses=[UseCell("chat", "raw", "works")],
    requests=CONFORMING.requests[:1],
    tokens=Tokens(None, None),
    notes=["Something to know."],
)

_HOSTILE_CELL = (HOSTILE, HOSTILE, HOSTILE)

HOSTILE_RUN = Run(
    schema=SCHEMA,
    target=TargetSummary(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    started=HOSTILE,
    finished=HOSTILE,
    is_complete=False,
    partial=[HOSTILE],
    unjudged="",
    level="spec",
    environment=Environment(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
    requests=[
        RequestSummary(
            *_HOSTILE_CELL, 200, HOSTILE, 1.0, 1, "silently wrong", HOSTILE, f"curl --data '{HOSTILE}'"
        ),
    ],
    tokens=Tokens(None, None),
    flakiness=Flakiness(1, 1, {HOSTILE: 1}, 0.2065, 1.0),
    uses=[UseCell("chat", HOSTILE, "breaks", HOSTILE)],
    parameters=[ParameterVerdict(HOSTILE, "ignored", [HOSTILE], HOSTILE)],
    rates=[Rate(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, 2, 0.0945, 0.9055)],
    notes=[HOSTILE],
    verdicts=[
        verdict(
            HOSTILE,
            Outcome.FAIL,
            cell=_HOSTILE_CELL,
            reason=HOSTILE,
            evidence=[Violation(HOSTILE, HOSTILE, f"/{HOSTILE}")],
        ),
        *(verdict(HOSTILE, outcome, cell=_HOSTILE_CELL, reason=HOSTILE) for outcome in Outcome),
    ],
)

RUNS: Mapping[str, Run] = {
    "conforming": CONFORMING,
    "failing": FAILING,
    "interrupted": INTERRUPTED,
    "hostile": HOSTILE_RUN,
}

EXCHANGES: Exchanges = {
    **{("founding", client, "plain"): exchange(PLAIN_BODY) for client in CLIENTS},
    **{("founding", client, "stream"): exchange(STREAM_BODY, reads=3) for client in CLIENTS},
    _HOSTILE_CELL: exchange(HOSTILE.encode("utf-8", "surrogatepass")),
}


def many(count: int) -> Run:
    """A run of about so many verdicts, of which two in five fail."""
    outcomes = (Outcome.PASS, Outcome.FAIL, Outcome.WAIVED, Outcome.INCONCLUSIVE, Outcome.FAIL)
    return run(
        [
            verdict(
                f"made.rule-{at % 500}",
                outcomes[at % 5],
                cell=(f"scenario-{at // 500}", CLIENTS[at % 3], MODES[at % 2]),
                evidence=[Violation(f"value {at}", f"another, {at}", f"/choices/{at}/x")] * (at % 5 == 1),
                reason=f"because of {at}",
            )
            for at in range(count)
        ]
    )


def endless() -> Run:
    """A run in which everything is hostile, there is much of it, and each text is 10,000 characters long."""
    text = "\u202e<'" * 3_334
    cells = [(f"{at}{text}", text, "plain") for at in range(150)]
    return replace(
        HOSTILE_RUN,
        notes=[text] * 150,
        requests=[replace(HOSTILE_RUN.requests[0], scenario=cell[0], curl=text) for cell in cells],
        verdicts=[
            verdict(f"rule {at} {text}", outcome, cell=cell, reason=f"{at} {text}", evidence=[wrong] * 3)
            for at, cell in enumerate(cells)
            for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE)
            for wrong in [Violation(text, f"{at} {text}", f"/{text}", at)]
        ],
    )
