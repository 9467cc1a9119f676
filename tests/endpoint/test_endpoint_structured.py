import json

import jsonschema
import pytest

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

SCHEMAS = {
    "enum and const": {
        "type": "object",
        "properties": {"zq_7": {"enum": ["b2", "c3"]}, "kind": {"const": "fixed"}},
        "required": ["zq_7", "kind"],
    },
    "ranges": {
        "type": "object",
        "properties": {
            "low": {"type": "integer", "minimum": 40, "maximum": 50},
            "open": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "step": {"type": "integer", "multipleOf": 7, "minimum": 10},
        },
        "required": ["low", "open", "step"],
    },
    "texts": {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"},
            "long": {"type": "string", "minLength": 30},
            "short": {"type": "string", "maxLength": 2},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["code", "long", "short", "day"],
    },
    "arrays": {
        "type": "object",
        "properties": {
            "three": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
            "pair": {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "boolean"}],
                "items": False,
            },
        },
        "required": ["three", "pair"],
    },
    "choices": {
        "type": "object",
        "properties": {
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "number": {"type": ["number", "null"]},
            "shape": {
                "oneOf": [
                    {"required": ["side"], "type": "object"},
                    {"required": ["radius"], "type": "object"},
                ]
            },
        },
        "required": ["maybe", "number", "shape"],
    },
    "recursion": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["value", "next"],
                "additionalProperties": False,
            }
        },
    },
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]},
        ]
    },
}


def wanted(schema, *, strict=False):
    return {"type": "json_schema", "json_schema": {"name": "wanted", "schema": schema, "strict": strict}}


def test_a_document_takes_its_values_from_the_prompt(openai):
    text = openai.text("Ada Lovelace is 36 years old.", response_format=wanted(PERSON, strict=True))
    assert json.loads(text) == {"name": "Ada Lovelace", "age": 36}


def test_a_document_has_its_optional_members_too(openai):
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "is_known": {"type": "boolean"}}}
    assert set(json.loads(openai.text("Fill it.", response_format=wanted(schema)))) == {"name", "is_known"}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
@pytest.mark.parametrize("prompt", ["Fill the form.", "Tell me about Ada in Paris, 17 and 99, 'x' and 'y'."])
def test_a_document_is_what_its_schema_allows(openai, schema, prompt):
    document = json.loads(openai.text(prompt, response_format=wanted(schema)))
    jsonschema.validate(document, schema, format_checker=jsonschema.FormatChecker())


def test_any_object_will_do_in_json_mode(openai):
    text = openai.text("Give me a json object about cats.", response_format={"type": "json_object"})
    assert isinstance(json.loads(text), dict)


def test_an_object_that_is_spelled_out_is_given_back(openai):
    text = openai.text('Reply with this JSON: {"a": [1, 2]}', response_format={"type": "json_object"})
    assert json.loads(text) == {"a": [1, 2]}


def test_a_cap_cuts_a_document_by_length(openai):
    answer = openai.chat("Ada is 36.", response_format=wanted(PERSON), max_tokens=3)
    assert answer["choices"][0]["finish_reason"] == "length"


def test_arguments_fit_schemas_as_well(openai):
    for schema in SCHEMAS.values():
        if schema.get("type") != "object":
            continue
        tool = {"type": "function", "function": {"name": "fill", "parameters": schema}}
        answer = openai.chat("Ada in Paris, 17.", tools=[tool], tool_choice="required")
        arguments = json.loads(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        jsonschema.validate(arguments, schema)
