"""What is asked of legacy completions."""

from harness.scenario import BOTH_MODES, PLAIN_ONLY, Ask, Cost, Mode, Scenario
from harness.wire.exchange import Json

_COUNT = "Count from 1 to 100, separated by spaces, in digits, nothing else."
_ALPHABET = "The alphabet in lower case, with spaces between the letters: a b"
_SENTENCE = "The cat sat on the"


def _completion(
    scenario_id: str,
    sentence: str,
    *needs: str,
    clients: frozenset[str] = frozenset(),
    cost: Cost = "wide",
    modes: tuple[Mode, ...] = BOTH_MODES,
    **params: Json,
) -> Scenario:
    with_usage: Json = {"include_usage": True}
    stream_params = {"stream_options": with_usage} if params.pop("with_usage", False) else {}
    return Scenario(
        id=scenario_id,
        sentence=sentence,
        ask=Ask("completions", params, stream_params),
        needs=frozenset({"completions", *needs}),
        modes=modes,
        clients=clients,
        cost=cost,
    )


completion = _completion(
    "completion", "A long answer, cut short by max_tokens.", cost="core", prompt=_COUNT, max_tokens=12
)

with_usage = _completion(
    "completion-with-usage",
    "A short answer, with usage asked for in the stream.",
    clients=frozenset({"raw", "openai"}),
    modes=(Mode.STREAM,),
    with_usage=True,
    prompt=_COUNT,
    max_tokens=6,
)

prompts = _completion(
    "completion-prompts", "Two prompts in one request.", prompt=[_COUNT, "Say pong."], max_tokens=4
)

two_choices = _completion("completion-n", "Two choices.", "n", prompt=_COUNT, max_tokens=6, n=2)

cap_one = _completion(
    "completion-cap-one", "A long answer, of which one token is allowed.", prompt=_COUNT, max_tokens=1
)

stopped = _completion(
    "completion-stop",
    "The alphabet, with a letter on the way, which almost every text has, as stop sequence.",
    "stop",
    prompt=_ALPHABET,
    max_tokens=24,
    stop=["e"],
)

with_logprobs = _completion(
    "completion-logprobs",
    "A short answer, with two alternatives for each token.",
    "logprobs",
    prompt=_COUNT,
    max_tokens=6,
    logprobs=2,
)

echoed = _completion(
    "completion-echo",
    "A sentence to be repeated and gone on with.",
    modes=PLAIN_ONLY,
    prompt=_SENTENCE,
    max_tokens=4,
    echo=True,
)

echoed_logprobs = _completion(
    "completion-echo-logprobs",
    "A sentence to be repeated and gone on with, with the log probability of each token.",
    "logprobs",
    prompt=_SENTENCE,
    max_tokens=4,
    echo=True,
    logprobs=1,
)

scored = _completion(
    "completion-scored",
    "A sentence of which only the log probabilities are wanted, as evaluation programs ask.",
    "logprobs",
    modes=PLAIN_ONLY,
    prompt=_SENTENCE,
    max_tokens=0,
    echo=True,
    logprobs=1,
)
