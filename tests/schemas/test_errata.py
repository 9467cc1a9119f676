"""Each erratum is real: the document refuses what OpenAI sends, and the schemas here accept it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import (  # type: ignore[import-untyped]  # it ships no types
    Draft202012Validator,
    SchemaError,
)

import harness.schemas
from harness.schemas import conforms, kinds
from tests.schemas.document import published, readable
from tests.schemas.samples import sample

ERRATA = tomllib.loads((Path(harness.schemas.__file__).parent / "errata.toml").read_text())["erratum"]

STREAMED = "CreateChatCompletionStreamResponse"
REFUSALS = [
    ("E1", "CreateChatCompletionResponse", "chat_completion", "openai_plain", "/system_fingerprint"),
    ("E1", STREAMED, "chat_completion_chunk", "openai_role", "/system_fingerprint"),
    ("E2", "CreateChatCompletionResponse", "chat_completion", "openai_plain", "/choices/0"),
    ("E3", "CreateChatCompletionResponse", "chat_completion", "openai_logprobs", "/choices/0/logprobs"),
    (
        "E4",
        "CreateChatCompletionResponse",
        "chat_completion",
        "openai_document_function_example",
        "/choices/0/message",
    ),
    ("E5", "CreateCompletionResponse", "completion_chunk", "openai_content", "/choices/0/finish_reason"),
    ("E5", "CreateCompletionResponse", "completion_chunk", "openai_finish", "/usage"),
    ("E6", "CreateCompletionResponse", "completion", "openai_echo", "/choices/0/logprobs"),
    ("E7", "CreateEmbeddingResponse", "embeddings", "openai_base64", "/data/0/embedding"),
    ("E8", "Response", "response", "openai_in_progress", "/usage"),
    ("E8", "Response", "response", "openai_text", "/user"),
    ("E8", "ResponseTextDeltaEvent", "response_event", "openai_text_delta_document_form", ""),
    ("E11", "ResponseFunctionCallArgumentsDoneEvent", "response_event", "openai_arguments_done", ""),
    ("E12", "ResponseStreamEvent", "response_event", "openai_keepalive", ""),
    ("E13", "ResponseErrorEvent", "response_event", "openai_error_nested", ""),
    (
        "E14",
        STREAMED,
        "chat_completion_chunk",
        "openai_custom_tool_first",
        "/choices/0/delta/tool_calls/0/type",
    ),
]


def refused_places(document: dict[str, Any], component: str, instance: Any) -> Iterator[str]:
    whole = {"$ref": f"#/components/schemas/{component}", "components": document["components"]}
    for error in Draft202012Validator(whole).iter_errors(instance):
        yield "".join(f"/{step}" for step in error.absolute_path)


@pytest.mark.parametrize(("erratum", "component", "kind", "name", "place"), REFUSALS)
def test_the_document_refuses_what_is_accepted_here(
    erratum: str, component: str, kind: str, name: str, place: str
) -> None:
    assert erratum in {each["id"] for each in ERRATA}
    instance = sample(kind, name).instance
    assert place in refused_places(readable(), component, instance)
    assert conforms(kind, instance, "spec")


def test_the_document_as_published_refuses_the_nulls_of_every_chunk() -> None:
    instance = sample("chat_completion_chunk", "openai_content").instance
    assert "/choices/0/finish_reason" in refused_places(published(), STREAMED, instance)
    assert "/choices/0/finish_reason" not in refused_places(readable(), STREAMED, instance)
    assert conforms("chat_completion_chunk", instance, "spec")


def test_the_document_has_keywords_of_an_older_draft() -> None:
    with pytest.raises(SchemaError, match="True is not of type 'string'"):
        Draft202012Validator.check_schema(published()["components"]["schemas"]["CompoundFilter"])


def test_the_document_takes_an_array_for_a_model() -> None:
    assert list(refused_places(readable(), "Model", [])) == []
    assert not conforms("model", [], "must")


def test_every_erratum_is_whole() -> None:
    assert [each["id"] for each in ERRATA] == [f"E{number}" for number in range(len(ERRATA))]
    for each in ERRATA:
        assert set(each) == {"id", "objects", "document", "api", "schema", "evidence"}
        assert set(each["objects"]) <= set(kinds())
        assert all(each.values())
