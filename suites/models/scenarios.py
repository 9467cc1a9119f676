"""What is asked about models."""

from harness.scenario import PLAIN_ONLY, Ask, Http, Scenario

models_listed = Scenario(
    id="models-list",
    sentence="The list of models.",
    ask=Ask("models"),
    needs=frozenset({"models"}),
    modes=PLAIN_ONLY,
    clients=frozenset({"raw", "openai"}),
)

model_retrieved = Scenario(
    id="model-retrieve",
    sentence="The description of the model that this run asks.",
    ask=Http("GET", "/models/{model}"),
    needs=frozenset({"models"}),
    modes=PLAIN_ONLY,
    cost="wire",
)
