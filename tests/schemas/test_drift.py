"""The schemas against OpenAI's SDK and OpenAI's document: every difference is known, and has its reason."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.shared import ErrorObject
from pydantic import TypeAdapter

from harness.schemas import Level, kinds, schema
from tests.schemas.document import readable
from tests.schemas.drift import Document, differences

FOLDER = Path(__file__).parent
SDK_TYPES: dict[str, Any] = {
    "chat_completion": ChatCompletion,
    "chat_completion_chunk": ChatCompletionChunk,
    "completion": Completion,
    "completion_chunk": Completion,
    "embeddings": CreateEmbeddingResponse,
    "error": ErrorObject,
    "model": Model,
    "response": Response,
    "response_event": ResponseStreamEvent,
}
COMPONENTS = {
    "chat_completion": "CreateChatCompletionResponse",
    "chat_completion_chunk": "CreateChatCompletionStreamResponse",
    "completion": "CreateCompletionResponse",
    "completion_chunk": "CreateCompletionResponse",
    "embeddings": "CreateEmbeddingResponse",
    "error": "ErrorResponse",
    "model": "Model",
    "model_list": "ListModelsResponse",
    "response": "Response",
    "response_event": "ResponseStreamEvent",
}
COMPARED_ELSEWHERE = {"response", "item", "part"}
"""Fields of events that hold a Response or a part of one, which is compared as such."""


def ours(kind: str, level: Level) -> Document:
    plain: Any = schema(kind, level)
    if kind == "response_event":
        plain = shallow(plain)
    return Document(plain, plain)


def shallow(node: Any) -> Any:
    if isinstance(node, list):
        return [shallow(below) for below in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {"type": below["type"]} if key in COMPARED_ELSEWHERE and "type" in below else shallow(below)
        for key, below in node.items()
    }


def from_the_sdk() -> Iterator[str]:
    for kind, sdk_type in SDK_TYPES.items():
        theirs = TypeAdapter(sdk_type).json_schema()
        mine = ours(kind, "must")
        if kind == "error":  # the SDK has a type for what is inside the envelope alone
            mine = mine.at(mine.node["properties"]["error"])
        yield from (f"{kind} {line}" for line in differences(mine, Document(theirs, theirs)))


def from_the_document() -> Iterator[str]:
    for kind, component in COMPONENTS.items():
        theirs = Document(readable()["components"]["schemas"][component], readable())
        yield from (f"{kind} {line}" for line in differences(ours(kind, "spec"), theirs))


def allowed(file: str) -> list[str]:
    entries = tomllib.loads((FOLDER / file).read_text())["allowed"]
    assert all(entry["reason"] for entry in entries)
    return [line for entry in entries for line in entry["lines"]]


def matches(pattern: str, line: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), line) is not None


@pytest.mark.parametrize(
    ("file", "found"),
    [("drift_sdk.toml", from_the_sdk), ("drift_document.toml", from_the_document)],
    ids=["sdk", "document"],
)
def test_every_difference_is_known_and_every_known_one_is_still_there(file: str, found: Any) -> None:
    lines, patterns = list(found()), allowed(file)
    assert [line for line in lines if not any(matches(pattern, line) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(matches(pattern, line) for line in lines)] == []


def test_every_kind_is_compared() -> None:
    assert set(COMPONENTS) == set(kinds())
    assert set(SDK_TYPES) == set(kinds()) - {"model_list"}, "the SDK pages through models without a type"


OBJECT: dict[str, Any] = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": ["string", "null"]},
        "b": {"type": "array", "items": {"enum": ["x", "y"]}},
        "c": {"const": 1},
    },
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"properties": OBJECT["properties"] | {"d": {}}}, "d: not there"),
        ({"properties": {key: OBJECT["properties"][key] for key in "ab"}}, "c: not here"),
        ({"required": []}, "a: optional here, required there"),
        (
            {"properties": OBJECT["properties"] | {"a": {"type": "string"}}},
            "a: string here, null|string there",
        ),
        (
            {"properties": OBJECT["properties"] | {"b": {"type": "array", "items": {"enum": ["x"]}}}},
            "b[]: x here, x,y there",
        ),
        ({"properties": OBJECT["properties"] | {"c": {"type": "number"}}}, "c: number here, integer there"),
    ],
)
def test_a_difference_is_seen(change: dict[str, Any], line: str) -> None:
    changed = OBJECT | change
    assert list(differences(Document(OBJECT, OBJECT), Document(OBJECT, OBJECT))) == []
    assert list(differences(Document(changed, changed), Document(OBJECT, OBJECT))) == [line]


def test_a_union_written_with_conditions_compares_to_one_written_with_members() -> None:
    a = {"properties": {"type": {"const": "a"}, "x": {"type": "string"}}, "required": ["type", "x"]}
    b = {"properties": {"type": {"const": "b"}, "y": {"type": "number"}}, "required": ["type"]}
    theirs = {"anyOf": [{"$ref": "#/$defs/a"}, b], "$defs": {"a": a}}
    mine = {
        "required": ["type"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": "a"}}},
                "then": {"required": ["x"], "properties": {"x": {"type": "string"}}},
            },
            {
                "if": {"properties": {"type": {"const": "b"}}},
                "then": {"properties": {"y": {"type": "string"}}},
            },
        ],
    }
    found = differences(Document(mine, mine), Document(theirs, theirs))
    assert list(found) == ["<b>.y: string here, number there"]
