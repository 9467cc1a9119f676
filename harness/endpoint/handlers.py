"""What is served where: each handler is a pure function from a request to an answer, but for the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harness.endpoint import chat, completions, embeddings, refusal, responses
from harness.endpoint.answer import Answer, Json, JsonObject, plain
from harness.endpoint.dialects import Dialect
from harness.endpoint.prefix_cache import PrefixCache
from harness.endpoint.refusal import Refusal
from harness.endpoint.requests import read_chat
from harness.endpoint.responses import Store
from harness.endpoint.stamp import Stamp

_CREATED = 1_735_689_600
"""When the models were made, in unix seconds."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request with the right key, and what its answer needs.

    `body` is empty but for POST; `params` are those of the path; `stamp` goes onto the answer.
    """

    dialect: Dialect
    body: JsonObject
    params: Mapping[str, str]
    stamp: Stamp
    store: Store
    cache: PrefixCache


Handler = Callable[[Incoming], Answer]


def _chat_completions(incoming: Incoming) -> Answer:
    dialect = incoming.dialect
    body = dialect.check_chat(incoming.body)
    _check_model(body, dialect.model, *dialect.further_models)
    request = read_chat(body, dialect.fit, is_parallel=dialect.is_parallel)
    use = incoming.cache.use(dialect.marked(body), incoming.stamp.created)
    return chat.answer(replace(request, cache=use), incoming.stamp)


def _completions(incoming: Incoming) -> Answer:
    body = completions.check(incoming.body)
    _check_model(body, incoming.dialect.completion_model)
    return completions.answer(body, incoming.stamp)


def _embeddings(incoming: Incoming) -> Answer:
    body = incoming.dialect.check_embeddings(incoming.body)
    _check_model(body, incoming.dialect.embedding_model)
    return embeddings.answer(body)


def _responses(incoming: Incoming) -> Answer:
    dialect = incoming.dialect
    body = dialect.check_responses(incoming.body)
    _check_model(body, dialect.model, *dialect.further_models)
    return responses.answer(
        body, incoming.stamp, incoming.store, dialect.fit, keeps_format=dialect.keeps_response_format
    )


def _response(incoming: Incoming) -> Answer:
    return plain(incoming.store.found(incoming.params["id"]).response)


def _response_deleted(incoming: Incoming) -> Answer:
    return plain(incoming.store.dropped(incoming.params["id"]))


def _models(incoming: Incoming) -> Answer:
    data: list[Json] = [_model_object(name) for name in incoming.dialect.models]
    return plain({"object": "list", "data": data})


def _model(incoming: Incoming) -> Answer:
    name = incoming.params["model"]
    if name not in incoming.dialect.models:
        raise Refusal(f"The model '{name}' does not exist", param="model", code="model_not_found", status=404)
    return plain(_model_object(name))


def _model_object(name: str) -> JsonObject:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "likewise"}


def _check_model(body: JsonObject, *served: str) -> None:
    if body["model"] not in served:
        raise refusal.unknown_model(str(body["model"]))


HANDLERS: Mapping[str, Mapping[str, Handler]] = {
    "/chat/completions": {"POST": _chat_completions},
    "/completions": {"POST": _completions},
    "/embeddings": {"POST": _embeddings},
    "/models": {"GET": _models},
    "/models/{model:path}": {"GET": _model},
    "/responses": {"POST": _responses},
    "/responses/{id}": {"GET": _response, "DELETE": _response_deleted},
}
"""Handlers by path below the base path, and by method."""
