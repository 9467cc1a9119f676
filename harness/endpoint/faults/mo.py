"""Models: faults of the list and of single models."""

from dataclasses import replace
from typing import Any

from harness.endpoint.answer import Answer, Wire
from harness.endpoint.departure import (
    Asked,
    any_answer,
    asked,
    fault,
    objects,
    plain_wire,
    with_body,
    with_header,
)
from harness.endpoint.refusal import Refusal

_LIST = objects("list", operation="models")
_MODEL = objects("model", operation="models")
_BOTH = ("models-list", "model-retrieve")


@fault("mo-object-missing", on=_LIST, shows=("models-list",), caught_by=("models.schema-must",))
def object_missing(body: Any) -> None:
    """The list has no object."""
    del body["object"]


@fault("mo-object-missing.wrapper", on=_LIST, shows=("models-list",), caught_by=("models.schema-must",))
def other_wrapper(body: Any) -> Any:
    """The models stand under models, and not under data."""
    return {"models": body["data"]}


@fault("mo-object-missing.bare", on=_LIST, shows=("models-list",), caught_by=("http.json",))
def bare_array(body: Any) -> Any:
    """The list is a bare array."""
    return body["data"]


@fault("mo-owned-by-type", on=_LIST, shows=("models-list",), caught_by=("models.schema-must",))
def owned_by_array(body: Any) -> None:
    """owned_by is an array."""
    for model in body["data"]:
        model["owned_by"] = [model["owned_by"], model["id"]]


@fault(
    "mo-created-missing",
    on=_LIST,
    shows=("models-list",),
    caught_by=("models.schema-spec",),
    source="OpenAI API reference, the model object: created",
)
def created_missing(body: Any) -> None:
    """Models have no created."""
    for model in body["data"]:
        del model["created"]


@fault("mo-id-key-name", on=_LIST, shows=("models-list",), caught_by=("models.schema-must",))
def named_by_name(body: Any) -> None:
    """Models are named by name, and have no id."""
    for model in body["data"]:
        model["name"] = model.pop("id")


@fault("mo-id-key-name.empty", on=_LIST, shows=("models-list",), caught_by=("models.ids-named",))
def id_empty(body: Any) -> None:
    """A model's id is empty, and its name stands under key."""
    body["data"][0]["key"] = body["data"][0]["id"]
    body["data"][0]["id"] = ""


@fault(
    "mo-id-twice",
    on=_LIST,
    shows=("models-list",),
    caught_by=("models.ids-unique",),
    source="gateways that list a model once for each server behind them",
)
def listed_twice(body: Any) -> None:
    """A model is listed twice."""
    body["data"].append(body["data"][0])


@fault(
    "mo-empty",
    on=_LIST,
    shows=("models-list",),
    caught_by=("models.not-empty",),
    source="servers that list what is loaded, when nothing is",
)
def empty(body: Any) -> None:
    """The list is empty."""
    body["data"] = []


@fault(
    "mo-paged",
    on=_LIST,
    shows=("models-list",),
    caught_by=("models.one-page",),
    source="OpenAI API reference, models/list: there are no pages",
)
def paged(body: Any) -> None:
    """The list has another page."""
    body["has_more"] = True


@fault("mo-retrieve-404", on=any_answer, shows=_BOTH, caught_by=("http.success",))
def not_retrieved(seen: Asked, answer: Answer) -> Answer:
    """A listed model can't be retrieved by its id."""
    if seen.operation != "models" or seen.path == "/models" or answer.status != 200:
        return answer
    pieces = (replace(answer.pieces[0], data={"detail": "Not Found"}),)
    return replace(answer, status=404, pieces=pieces)


@fault("mo-retrieve-404.list", on=_MODEL, shows=_BOTH, caught_by=("models.retrieved-schema-must",))
def retrieved_in_a_list(body: Any) -> Any:
    """A retrieved model comes in a list."""
    return {"object": "list", "data": [body]}


@fault("mo-retrieve-404.other", on=_MODEL, shows=_BOTH, caught_by=("models.retrieved-id",))
def other_retrieved(body: Any) -> None:
    """Another model comes than was asked for."""
    body["id"] = "another"


@fault(
    "mo-retrieved-differs",
    on=_MODEL,
    shows=_BOTH,
    caught_by=("models.retrieved-as-listed",),
    also=("mo-retrieve-404",),
    source="servers that make up created anew with each answer",
)
def retrieved_differs(body: Any) -> None:
    """A retrieved model has another created than the list says."""
    body["created"] += 60


@fault(
    "mo-retrieved-incomplete",
    on=_MODEL,
    shows=_BOTH,
    caught_by=("models.retrieved-schema-spec",),
    source="OpenAI API reference, the model object",
)
def retrieved_incomplete(body: Any) -> None:
    """A retrieved model has no created and no owned_by."""
    del body["created"], body["owned_by"]


@fault(
    "mo-listed-not-served",
    on=_LIST,
    shows=("models-list", "with-usage"),
    caught_by=("models.served-is-listed",),
)
def served_not_listed(body: Any) -> None:
    """A model that answers is not in the list."""
    body["data"] = body["data"][1:]


@fault(
    "mo-unknown-retrieved",
    on=any_answer,
    shows=("bad-model-name",),
    caught_by=("errors.refused",),
    also=("bm-wrong-model",),
    source="ddalcu/mlx-serve#257",
)
def unknown_retrieved(seen: Asked, answer: Answer) -> Answer:
    """A model that there is not can be retrieved."""
    if seen.operation != "models" or answer.status != 404:
        return answer
    model: Any = {"id": seen.path.rpartition("/")[2], "object": "model", "created": 1, "owned_by": "x"}
    return replace(answer, status=200, pieces=(replace(answer.pieces[0], data=model),))


@fault(
    "mo-no-list",
    on=asked,
    shows=("models-list",),
    caught_by=("http.success",),
    source="endpoints that claim the list of models and lack it",
)
def no_list(seen: Asked) -> Asked:
    """There is no list of models."""
    if seen.path == "/models":
        raise Refusal("Not Found", status=404)
    return seen


@fault(
    "mo-html",
    on=plain_wire("models"),
    shows=("models-list",),
    caught_by=("http.json",),
    source="gateways that serve their own page at every path",
)
def html(wire: Wire) -> Wire:
    """The list is the page of a web interface."""
    return with_header(with_body(wire, b"<!doctype html><title>Chat</title>"), "content-type", "text/html")
