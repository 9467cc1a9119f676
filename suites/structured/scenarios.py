"""What is asked of structured output: any JSON object, strict schemas, and the helpers of the SDKs."""

from harness.scenario import PLAIN_ONLY, Scenario, chat
from harness.wire.exchange import Json

_LANGCHAIN = frozenset({"langchain"})


def _asked(text: str) -> Json:
    return [{"role": "user", "content": text}]


def _strict(schema: Json) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "boat", "strict": True, "schema": schema}}


def _closed(properties: dict[str, Json], **more: Json) -> Json:
    """An object schema as strict mode demands it: every property required, no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


_TEXTS = _closed({"zq_hull": {"type": "string"}, "vx_sail": {"type": "string"}})
"""String properties alone, as the typed class of a `parse` user has them; nobody would guess their names."""

json_object = Scenario(
    id="json-object",
    sentence="Any JSON object, by response_format json_object.",
    ask=chat(
        {
            "messages": _asked('Answer in JSON with this object: {"zq_17": "kelp", "count": 3}'),
            "max_tokens": 32,
            "response_format": {"type": "json_object"},
        }
    ),
    needs=frozenset({"json-object"}),
    cost="wide",
)

strict_schema = Scenario(
    id="json-schema",
    sentence="A strict schema, whose names and values nobody would guess from the question.",
    ask=chat(
        {
            "messages": _asked("Describe a small boat."),
            "max_tokens": 48,
            "response_format": _strict(
                _closed(
                    {
                        "zq_hull": {"type": "string", "enum": ["kelp-41", "moss-17"]},
                        "vx_crew": {"type": "integer"},
                        "wk_flags": _closed({"qj_new": {"type": "boolean"}}),
                    }
                )
            ),
        }
    ),
    needs=frozenset({"json-schema"}),
)

typed_schema = Scenario(
    id="json-schema-typed",
    sentence="A strict schema as typed programs make it: references, constants, null, a format.",
    ask=chat(
        {
            "messages": _asked("Describe a small boat."),
            "max_tokens": 96,
            "response_format": _strict(
                _closed(
                    {
                        "kind": {"const": "zq-boat", "type": "string"},
                        "owner": {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]},
                        "launched": {"type": "string", "format": "date"},
                        "masts": {"type": "array", "items": {"$ref": "#/$defs/Mast"}},
                    },
                    **{
                        "$defs": {
                            "Person": _closed({"vx_name": {"type": "string"}}),
                            "Mast": _closed({"height_m": {"type": "number"}}),
                        }
                    },
                )
            ),
        }
    ),
    needs=frozenset({"json-schema"}),
    modes=PLAIN_ONLY,
    cost="wide",
)

parse = Scenario(
    id="json-schema-parse",
    sentence="A strict schema through the SDK's `parse`, which gives its user a typed object.",
    ask=chat(
        {
            "messages": _asked("Describe a small boat in a few words."),
            "max_tokens": 64,
            "response_format": _strict(_TEXTS),
        },
        helper="parse",
    ),
    needs=frozenset({"json-schema"}),
    modes=PLAIN_ONLY,
    clients=frozenset({"openai"}),
)


def _structured(scenario_id: str, method: str, needs: set[str]) -> Scenario:
    question = 'Answer in JSON with this object: {"zq_hull": "oak", "vx_sail": "red"}'
    return Scenario(
        id=scenario_id,
        sentence=f"A schema through LangChain's `with_structured_output`, method {method}.",
        ask=chat(
            {"messages": _asked(question), "max_tokens": 64, "response_format": _strict(_TEXTS)},
            helper=method,
        ),
        needs=frozenset(needs),
        modes=PLAIN_ONLY,
        clients=_LANGCHAIN,
    )


langchain_schema = _structured("langchain-json-schema", "json_schema", {"json-schema"})
langchain_function = _structured("langchain-function", "function_calling", {"tools", "tool-choice-named"})
langchain_object = _structured("langchain-json-mode", "json_mode", {"json-object"})
