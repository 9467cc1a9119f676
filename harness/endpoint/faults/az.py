"""Chunks of Azure: what its content filter adds to a stream."""

from typing import Any

from harness.endpoint.departure import events, fault

_FOUNDING = ("founding",)
_SAFE = {"filtered": False, "severity": "safe"}


@fault(
    "az-delta-missing",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
    also=("lc-azure-delta-none",),
)
def delta_missing(chunks: list[Any]) -> None:
    """A choice of a filter's chunk has no delta."""
    choice = {"index": 0, "finish_reason": None, "content_filter_results": {"hate": _SAFE}}
    chunks.insert(2, {**chunks[2], "choices": [choice]})


@fault(
    "az-delta-missing.null",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-must",),
)
def delta_null(chunks: list[Any]) -> None:
    """A choice of a filter's chunk has the delta null."""
    choice = {"index": 0, "finish_reason": None, "delta": None, "content_filter_results": {"hate": _SAFE}}
    chunks.insert(2, {**chunks[2], "choices": [choice]})


@fault(
    "az-empty-ids",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.schema-spec", "stream.same-id"),
    because="A chunk with nothing right in its head is missed by each rule on the head.",
)
def empty_ids(chunks: list[Any]) -> None:
    """A filter's chunk has empty id, object and model, and created 0."""
    choice = {"index": 0, "finish_reason": None, "delta": {}, "content_filter_results": {"hate": _SAFE}}
    chunks.insert(2, {"id": "", "object": "", "created": 0, "model": "", "choices": [choice]})


@fault(
    "az-prompt-filter-first",
    on=events("chat"),
    shows=_FOUNDING,
    caught_by=("stream.empty-choices",),
    because="A chunk with nothing right in its head is missed by each rule on the head.",
)
def prompt_filter_first(chunks: list[Any]) -> None:
    """The first chunk has choices [], the filter's results and an empty head."""
    results = [{"prompt_index": 0, "content_filter_results": {"hate": _SAFE}}]
    head = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    chunks.insert(0, {**head, "prompt_filter_results": results})
