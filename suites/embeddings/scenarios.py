"""What is asked of embeddings."""

from harness.scenario import PLAIN_ONLY, Ask, Cost, Scenario
from harness.wire.exchange import Json

_TEXT = "hello world"


def _embeddings(
    scenario_id: str,
    sentence: str,
    value: Json,
    *needs: str,
    clients: frozenset[str] = frozenset(),
    cost: Cost = "wide",
    **params: Json,
) -> Scenario:
    return Scenario(
        id=scenario_id,
        sentence=sentence,
        ask=Ask("embeddings", {"input": value, **params}),
        needs=frozenset({"embeddings", *needs}),
        modes=PLAIN_ONLY,
        clients=clients,
        cost=cost,
    )


one_text = _embeddings(
    "embedding-text",
    "One text; the SDK asks for base64 by itself.",
    _TEXT,
    clients=frozenset({"raw", "openai"}),
)

batch = _embeddings(
    "embedding-batch",
    "Texts of many scripts, one of them twice.",
    ["The harbour is full of boats.", _TEXT, "你好入 🙂 e\u0301 \u2028 end", "The harbour is full of boats."],
    cost="core",
)

as_floats = _embeddings("embedding-float", "One text, as numbers.", _TEXT, encoding_format="float")

as_base64 = _embeddings(
    "embedding-base64", "One text, as base64.", [_TEXT], "embedding-base64", encoding_format="base64"
)

shortened = _embeddings(
    "embedding-dimensions",
    "Two texts, in 128 dimensions.",
    [_TEXT, "goodbye"],
    "embedding-dimensions",
    clients=frozenset({"raw", "openai"}),
    dimensions=128,
)

of_tokens = _embeddings(
    "embedding-tokens",
    "`hello world` and `hello` as tokens of the encoding cl100k_base, as LangChain sends texts by default.",
    [[15339, 1917], [15339]],
    "embedding-tokens",
)

large_batch = _embeddings(
    "embedding-large-batch",
    "64 short texts at once, as indexing programs send them.",
    [f"Boat number {number}." for number in range(64)],
)
