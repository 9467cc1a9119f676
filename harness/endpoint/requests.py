"""Chat requests: what OpenAI's API allows, in the order in which it reports mistakes, and how one is read.

Sources: OpenAI API reference, "Create chat completion"; openai/openai-openapi, CreateChatCompletionRequest;
error texts as the API is publicly known to give them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

from harness.endpoint import schema, shape
from harness.endpoint.answer import Json, JsonObject
from harness.endpoint.conversation import Ask, Choice, Form, Mode, Tool, prompt_tokens
from harness.endpoint.messages import NAME_OF_FUNCTION, check_conversation, message, read_message
from harness.endpoint.model import Limits
from harness.endpoint.prefix_cache import CacheUse
from harness.endpoint.refusal import Refusal, too_long
from harness.endpoint.shape import Fields, array, choice, nullable, string

CONTEXT_TOKENS = 8192
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
TIERS = ("auto", "default", "fast", "flex", "priority")
_TIERS_USED = {"flex": "flex", "fast": "priority", "priority": "priority"}
"""The tier that an answer names, where it isn't the default."""
JSON_WORD = re.compile("json", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat request that may be answered. `top_logprobs` is None when no log probabilities are wanted.

    `is_thinking` shows the thoughts, `most_thoughts` bounds them, and `caps_thoughts` says whether the cap
    does so as well. `cache` is None where the request marks nothing to be cached.
    """

    model: str
    ask: Ask
    limits: Limits
    prompt_tokens: int
    n: int = 1
    is_stream: bool = False
    with_usage: bool = False
    with_obfuscation: bool = True
    top_logprobs: int | None = None
    effort: str | None = None
    is_thinking: bool = False
    most_thoughts: int | None = None
    caps_thoughts: bool = True
    cache: CacheUse | None = None
    tier: str = "default"


FUNCTION = Fields(
    {
        "name": NAME_OF_FUNCTION,
        "description": nullable(string()),
        "parameters": nullable(Fields({})),
        "strict": nullable(shape.boolean),
    },
    required=("name",),
    is_closed=True,
)


def tool(value: Json, path: str) -> None:
    """A function tool; custom tools are refused."""
    Fields({"type": choice("function", "custom")}, required=("type",))(value, path)
    if cast("JsonObject", value)["type"] == "custom":
        raise Refusal(
            "Custom tools are not supported with this model.", param=f"{path}.type", code="unsupported_value"
        )
    Fields({"type": shape.anything, "function": FUNCTION}, required=("function",), is_closed=True)(
        value, path
    )
    function = cast("JsonObject", cast("JsonObject", value)["function"])
    check_parameters(function, f"{path}.function.parameters")


def check_parameters(function: JsonObject, path: str) -> None:
    """The parameters of a function are a usable schema, and a strict one if it says so."""
    parameters = cast("JsonObject", function.get("parameters") or {})
    reason = schema.flaw(parameters, is_strict=bool(function.get("strict"))) if parameters else ""
    if not reason and parameters.get("type", "object") != "object":
        reason = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{parameters['type']}\"'."
    if reason:
        raise Refusal(
            f"Invalid schema for function '{function['name']}': {reason}",
            param=path,
            code="invalid_function_parameters",
        )


def tool_choice(value: Json, path: str) -> None:
    """`none`, `auto`, `required`, one named function, or a set of allowed tools."""
    if isinstance(value, str):
        choice("none", "auto", "required")(value, path)
    elif not isinstance(value, dict):
        raise shape.wrong_type(path, "one of one of 'none', 'auto', or 'required' or object", value)
    elif value.get("type") == "allowed_tools":
        Fields({"type": shape.anything, "allowed_tools": _ALLOWED}, required=("allowed_tools",))(value, path)
    else:
        Fields({"function": _NAMED, "type": choice("function")}, required=("function", "type"))(value, path)


_NAMED = Fields({"name": string()}, required=("name",))
_ALLOWED = Fields(
    {
        "mode": choice("auto", "required"),
        "tools": array(
            Fields({"type": choice("function"), "function": _NAMED}, required=("type", "function")), minimum=1
        ),
    },
    required=("mode", "tools"),
)


def response_format(value: Json, path: str) -> None:
    """Text, any JSON object, or JSON by a schema."""
    Fields({"type": choice("json_object", "json_schema", "text")}, required=("type",))(value, path)
    form = cast("JsonObject", value)
    if form["type"] == "json_schema":
        Fields({"type": shape.anything, "json_schema": JSON_SCHEMA}, required=("json_schema",))(value, path)
        check_schema(cast("JsonObject", form["json_schema"]), path)


JSON_SCHEMA = Fields(
    {
        "name": NAME_OF_FUNCTION,
        "description": nullable(string()),
        "schema": Fields({}),
        "strict": nullable(shape.boolean),
    },
    required=("name",),
    is_closed=True,
)


def check_schema(form: JsonObject, path: str) -> None:
    """The schema of an answer is usable, and a strict one if it says so."""
    wanted = cast("JsonObject", form.get("schema") or {})
    reason = schema.flaw(wanted, is_strict=bool(form.get("strict"))) if wanted or form.get("strict") else ""
    if reason:
        raise Refusal(f"Invalid schema for response_format '{form['name']}': {reason}", param=path)


def stop_sequences(value: Json, path: str) -> None:
    """A string, or up to four of them."""
    if isinstance(value, list):
        array(string(), of="strings", minimum=1, maximum=4)(value, path)
    elif not isinstance(value, str):
        raise shape.wrong_type(path, "one of a string or array of strings", value)


def logit_bias(value: Json, path: str) -> None:
    """Token ids to numbers from -100 to 100."""
    if not isinstance(value, dict):
        raise shape.wrong_type(path, "an object", value)
    for key, bias in value.items():
        if not re.fullmatch(r"\d+", key):
            raise Refusal(
                f"Invalid key in '{path}': {key}. You should only be submitting non-negative integers.",
                param=path,
            )
        shape.decimal(-100, 100)(bias, f"{path}.{key}")


STREAM_OPTIONS = Fields(
    {"include_usage": shape.boolean, "include_obfuscation": shape.boolean}, is_closed=True
)

CHAT = Fields(
    {
        "model": string(),
        "messages": array(message(), minimum=1),
        "functions": shape.refused,
        "function_call": shape.refused,
        "tools": array(tool, minimum=1, maximum=128),
        "tool_choice": tool_choice,
        "parallel_tool_calls": shape.boolean,
        "max_completion_tokens": nullable(shape.integer(1)),
        "n": nullable(shape.integer(1, 128)),
        "temperature": nullable(shape.decimal(0, 2)),
        "top_p": nullable(shape.decimal(0, 1)),
        "presence_penalty": nullable(shape.decimal(-2, 2)),
        "frequency_penalty": nullable(shape.decimal(-2, 2)),
        "logprobs": nullable(shape.boolean),
        "top_logprobs": nullable(shape.integer(0, 20)),
        "user": string(),
        "seed": nullable(shape.integer(-(2**63), 2**63 - 1)),
        "moderation": nullable(shape.refused),
        "safety_identifier": nullable(string(max_length=64)),
        "prompt_cache_options": nullable(
            Fields({"ttl": choice("30m"), "mode": choice("implicit", "explicit")}, is_closed=True)
        ),
        "prompt_cache_key": nullable(string(max_length=64)),
        "prompt_cache_retention": nullable(choice("in_memory", "24h")),
        "response_format": response_format,
        "service_tier": nullable(choice(*TIERS)),
        "max_tokens": nullable(shape.integer(1)),
        "reasoning_effort": nullable(choice(*EFFORTS)),
        "logit_bias": nullable(logit_bias),
        "stop": nullable(stop_sequences),
        "stream": nullable(shape.boolean),
        "stream_options": nullable(STREAM_OPTIONS),
        "store": nullable(shape.boolean),
        "metadata": nullable(shape.metadata),
        "prediction": nullable(shape.refused),
        "verbosity": nullable(choice("low", "medium", "high")),
        "modalities": nullable(array(choice("text"), of="strings", minimum=1)),
        "audio": nullable(shape.refused),
        "web_search_options": shape.refused,
    },
    is_closed=True,
)


def check_chat(body: JsonObject) -> JsonObject:
    """The body, when OpenAI would take it.

    Refuses what is missing, then what is unknown, then what is wrong in itself, then what doesn't go with
    something else.
    """
    check_present(body)
    CHAT(body, "")
    check_conversation(cast("list[Json]", body["messages"]))
    for param in ("tool_choice", "parallel_tool_calls"):
        check_tools_given(body, param)
    check_choice(body)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    check_logprobs(body)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refusal(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            code="invalid_parameter_combination",
        )
    check_json_word(body)
    return body


def check_present(body: JsonObject) -> None:
    """What every chat request must hold is there."""
    if not body.get("model"):
        raise Refusal("you must provide a model parameter")
    if "messages" not in body:
        raise shape.missing("messages")


def check_tools_given(body: JsonObject, param: str) -> None:
    """What says how to call tools comes with tools."""
    if param in body and "tools" not in body:
        raise Refusal(
            f"Invalid value for '{param}': '{param}' is only allowed when 'tools' are specified.", param=param
        )


def check_logprobs(body: JsonObject) -> None:
    """Alternatives are wanted of log probabilities that are wanted."""
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise Refusal(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs"
        )


def check_choice(body: JsonObject) -> None:
    """A tool that is demanded, or allowed, is among the tools."""
    wanted = read_choice(body.get("tool_choice")).names or frozenset()
    offered = {str(function["name"]) for function in _functions(body)}
    for name in sorted(wanted - offered):
        raise Refusal(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")


def check_json_word(body: JsonObject) -> None:
    """Who wants any JSON object must say "json" in a message."""
    form = body.get("response_format")
    if not isinstance(form, dict) or form["type"] != "json_object":
        return
    said = [read_message(message).text for message in cast("list[JsonObject]", body["messages"])]
    if not any(JSON_WORD.search(text) for text in said):
        raise Refusal(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
            "'json_object'.",
            param="messages",
        )


def _functions(body: JsonObject) -> list[JsonObject]:
    return [
        cast("JsonObject", tool["function"]) for tool in cast("list[JsonObject]", body.get("tools") or [])
    ]


def read_choice(value: Json) -> Choice:
    """A checked `tool_choice`."""
    if isinstance(value, str):
        return Choice(Mode(value))
    if not isinstance(value, dict):
        return Choice()
    if value.get("type") == "allowed_tools":
        allowed = cast("JsonObject", value["allowed_tools"])
        tools = cast("list[JsonObject]", allowed["tools"])
        names = frozenset(str(cast("JsonObject", tool["function"])["name"]) for tool in tools)
        return Choice(Mode(str(allowed["mode"])), names)
    return Choice(
        Mode.REQUIRED, frozenset({str(cast("JsonObject", value["function"])["name"])}), is_named=True
    )


def read_tool(function: JsonObject) -> Tool:
    """A checked function."""
    return Tool(
        str(function["name"]),
        str(function.get("description") or ""),
        cast("JsonObject", function.get("parameters") or {}),
    )


Fit: TypeAlias = Callable[[int, int | None], int]
"""From what a prompt costs and the cap asked for to the cap that holds; refuses what doesn't fit."""


def fit(prompt: int, cap: int | None) -> int:
    """Prompt and cap share one context, as with OpenAI."""
    if prompt + (cap or 0) > CONTEXT_TOKENS:
        raise too_long(CONTEXT_TOKENS, prompt, cap or 0, "messages")
    return cap or CONTEXT_TOKENS - prompt


def read_chat(body: JsonObject, fit: Fit, *, is_parallel: bool) -> ChatRequest:
    """A checked body as a request; `is_parallel` is what holds when the body doesn't say."""
    form = cast("JsonObject", body.get("response_format") or {"type": "text"})
    wanted = cast("JsonObject", form.get("json_schema") or {})
    parallel = body.get("parallel_tool_calls")
    ask = Ask(
        messages=tuple(read_message(said) for said in cast("list[JsonObject]", body["messages"])),
        tools=tuple(read_tool(function) for function in _functions(body)),
        choice=read_choice(body.get("tool_choice")),
        is_parallel=is_parallel if parallel is None else bool(parallel),
        form=Form(str(form["type"])),
        schema=cast("JsonObject", wanted.get("schema") or {}),
        seed=cast("int | None", body.get("seed")) or 0,
        begun=_begun(cast("list[JsonObject]", body["messages"])[-1]),
    )
    options = cast("JsonObject", body.get("stream_options") or {})
    cost = prompt_tokens(ask)
    cap = cast("int | None", body.get("max_completion_tokens") or body.get("max_tokens"))
    return ChatRequest(
        model=str(body["model"]),
        ask=ask,
        limits=Limits(fit(cost, cap), read_stop(body.get("stop"))),
        prompt_tokens=cost,
        n=cast("int | None", body.get("n")) or 1,
        is_stream=bool(body.get("stream")),
        with_usage=bool(options.get("include_usage")),
        with_obfuscation=options.get("include_obfuscation") is not False,
        top_logprobs=cast("int", body.get("top_logprobs") or 0) if body.get("logprobs") else None,
        effort=cast("str | None", body.get("reasoning_effort")),
        is_thinking=bool(body.get("enable_thinking")),
        most_thoughts=cast("int | None", body.get("thinking_budget")),
        caps_thoughts=not body.get("enable_thinking") or bool(body.get("max_completion_tokens")),
        tier=tier_used(body.get("service_tier")),
    )


def _begun(last: JsonObject) -> str:
    """What an answer goes on from: the last message, where it is marked as a part of the answer."""
    return read_message(last).text if last.get("partial") is True else ""


def tier_used(value: Json) -> str:
    """The tier that answers a request for a checked `service_tier`."""
    return _TIERS_USED.get(str(value), "default")


def read_stop(value: Json) -> tuple[str, ...]:
    """A checked `stop` as texts; token ids stand for no text of this model."""
    if isinstance(value, str):
        return (value,)
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
