"""The dialects that the endpoint speaks: each is data and small functions, applied at the edge."""

import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.endpoint import dashscope, embeddings, requests, responses
from harness.endpoint.answer import Answer, Frame, Headers, JsonObject, Wire, event, plain
from harness.endpoint.departure import Asked
from harness.endpoint.prefix_cache import Prefix
from harness.endpoint.refusal import Refusal
from harness.endpoint.requests import Fit

_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between APIs that are otherwise alike.

    `check_chat` and its like give what is read of a body, or refuse it; `fit` sets the cap; `shaped` rewrites
    the objects of an answer and `frame` makes an event's bytes of one; `refused` makes an answer of a
    refusal, an id and what was asked; `headers` are on every answer. The unique text
    that `new_id` gives is in the id and in the headers of one answer. `further_models` chat as `model` does;
    `marked` are the prompt's prefixes that a body wants cached; `keeps_response_format` says whether
    `text.format` is kept.
    """

    base_path: str
    model: str
    further_models: tuple[str, ...]
    completion_model: str
    embedding_model: str
    is_parallel: bool
    check_chat: Callable[[JsonObject], JsonObject]
    check_embeddings: Callable[[JsonObject], JsonObject]
    check_responses: Callable[[JsonObject], JsonObject]
    keeps_response_format: bool
    marked: Callable[[JsonObject], tuple[Prefix, ...]]
    fit: Fit
    shaped: Callable[[Answer], Answer]
    frame: Frame
    refused: Callable[[Refusal, str, Asked], Answer]
    headers: Callable[[str, Wire], Headers]
    new_id: Callable[[], str]

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that is served, once."""
        others = (self.completion_model, self.embedding_model)
        return tuple(dict.fromkeys((self.model, *self.further_models, *others)))


def _openai_headers(unique: str, wire: Wire) -> Headers:
    """The headers on every answer of OpenAI; durations are spelled as Go does."""
    return (
        ("x-request-id", f"req_{unique}"),
        ("openai-processing-ms", str(max(1, round(wire.first_ms)))),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "likewise"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "2000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "1999000"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "30ms"),
    )


def _openai_refused(refusal: Refusal, _unique: str, _asked: Asked) -> Answer:
    return plain({"error": refusal.error}, status=refusal.status)


def _openai_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(29))


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(
        base_path="/v1",
        model="standin-1",
        further_models=(),
        completion_model="standin-1",
        embedding_model="standin-embedding-1",
        is_parallel=True,
        check_chat=requests.check_chat,
        check_embeddings=embeddings.check,
        check_responses=responses.check,
        keeps_response_format=True,
        marked=lambda _: (),
        fit=requests.fit,
        shaped=lambda answer: answer,
        frame=event,
        refused=_openai_refused,
        headers=_openai_headers,
        new_id=_openai_id,
    ),
    "dashscope": Dialect(
        base_path="/compatible-mode/v1",
        model=dashscope.MODEL,
        further_models=(dashscope.THINKING_MODEL,),
        completion_model=dashscope.COMPLETION_MODEL,
        embedding_model=dashscope.EMBEDDING_MODEL,
        is_parallel=False,
        check_chat=dashscope.check_chat,
        check_embeddings=dashscope.check_embeddings,
        check_responses=dashscope.check_responses,
        keeps_response_format=False,
        marked=dashscope.marked,
        fit=dashscope.fit,
        shaped=dashscope.shaped,
        frame=dashscope.frame,
        refused=dashscope.refused,
        headers=dashscope.headers,
        new_id=lambda: str(uuid.uuid4()),
    ),
}
