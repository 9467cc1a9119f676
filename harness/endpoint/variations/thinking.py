"""Models that think before they answer, and whose cap counts the thoughts: some answers are cut, or empty."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from harness.endpoint.answer import Answer, Kind, Piece
from harness.endpoint.departure import Asked, any_answer, choices_of, objects, request, variation
from harness.endpoint.refusal import Refusal

_TEXTS = (
    "with-usage",
    "unicode-echo",
    "capped",
    "capped-completion",
    "two-choices",
    "stop",
    "stop-list",
    "stop-letter",
    "cap-one",
    "cap-one-completion",
    "logprobs",
    "top-logprobs",
    "seeded",
    "defaults",
    "nulls",
    "no-obfuscation",
    "control-characters",
    "reasoning",
    "developer-role",
    "parts-user",
    "content-null",
    "names",
    "image",
    "stream-beside-tool",
    "usage-longer",
    "usage-tool",
    "usage-n",
    "conversation",
)
_CALLS = (
    "tool-call",
    "tool-call-helper",
    "tool-call-parallel",
    "tool-call-single",
    "tool-call-empty",
    "tool-call-named",
    "tool-call-required",
    "tool-call-strict",
    "tool-call-cut",
    "tool-forbidden",
)
_RESULTS = ("tool-result", "tool-result-streamed", "tool-results")
_DOCUMENTS = (
    "json-object",
    "json-schema",
    "json-schema-typed",
    "json-schema-parse",
    "langchain-json-schema",
    "langchain-function",
    "langchain-json-mode",
)
_CHAT = (*_TEXTS, *_CALLS, *_DOCUMENTS)
_RESPONSES = (
    "response",
    "response-helper",
    "response-unicode",
    "response-items",
    "response-assistant-parts",
    "response-capped",
    "response-tool",
    "response-tool-named",
    "response-tool-none",
    "response-format",
    "response-replay",
    "response-story",
    "response-next-turn",
    "response-kept",
)
_HIDDEN = "OpenAI API guide, reasoning models: reasoning counts against the cap, and may use it up"
_SHOWN = "DeepSeek API documentation, reasoning_content: max_tokens counts it"
_CUT = "A cut answer does not show what a whole one would have said."


def _cap(seen: Asked) -> int | None:
    """The cap of a chat request; None without one."""
    body = seen.body or {}
    cap = body.get("max_completion_tokens") or body.get("max_tokens")
    return cap if seen.operation == "chat" and isinstance(cap, int) else None


def _cut(seen: Asked, answer: Answer, thoughts: int, content: str | None) -> Answer:
    """The answer with nothing said and its cap used up; the first thoughts are shown."""
    cap = _cap(seen)
    if answer.status != 200 or cap is None:
        return answer
    pieces = _cut_stream(answer.pieces, cap, thoughts) if answer.is_stream else answer.pieces
    for piece in pieces:
        if piece.data is not None and not answer.is_stream:
            _cut_plain(piece.data, cap, thoughts, content)
        if piece.data is not None and piece.data.get("usage"):
            choices = (seen.body or {}).get("n")
            _count(piece.data["usage"], cap * (choices if isinstance(choices, int) else 1))
    return replace(answer, pieces=tuple(pieces))


def _cut_plain(body: Any, cap: int, thoughts: int, content: str | None) -> None:
    for choice in choices_of(body):
        message = choice["message"]
        message.pop("tool_calls", None)
        message["content"] = content
        if thoughts:
            message["reasoning_content"] = "Hm. " * min(cap, thoughts)
        choice.update(finish_reason="length", logprobs=None)


def _cut_stream(pieces: Iterable[Piece], cap: int, thoughts: int) -> list[Piece]:
    kept: list[Piece] = []
    for piece in pieces:
        if piece.kind in {Kind.CONTENT, Kind.REASONING, Kind.TOOL_CALL}:
            continue
        kept.append(piece)
        for choice in choices_of(piece.data) if piece.data is not None else ():
            if piece.kind is Kind.FINISH:
                choice["finish_reason"] = "length"
            elif piece.kind is Kind.ROLE:
                choice["delta"]["content"] = ""
                thought = {**choice, "delta": {"content": None, "reasoning_content": "Hm. "}}
                said = replace(piece, kind=Kind.REASONING, data={**(piece.data or {}), "choices": [thought]})
                kept += [said] * min(cap, thoughts)
    return kept


def _count(used: Any, tokens: int) -> None:
    """All of the completion tokens are thoughts."""
    used.update(completion_tokens=tokens, total_tokens=used["prompt_tokens"] + tokens)
    used.setdefault("completion_tokens_details", {})["reasoning_tokens"] = tokens


@variation("thinking-hidden-to-the-cap", on=any_answer, shows=_CHAT, source=_HIDDEN, because=_CUT)
def hidden_to_the_cap(seen: Asked, answer: Answer) -> Answer:
    """Hidden reasoning uses up every cap: the content is an empty text, the finish reason length."""
    return _cut(seen, answer, 0, "")


@variation("thinking-shown-to-the-cap", on=any_answer, shows=_CHAT, source=_SHOWN, because=_CUT)
def shown_to_the_cap(seen: Asked, answer: Answer) -> Answer:
    """Reasoning that is shown uses up every cap: the content is null, the finish reason length."""
    return _cut(seen, answer, 1000, None)


@variation("thinking-hidden-plain", on=any_answer, shows=(*_TEXTS, *_CALLS), source=_HIDDEN, because=_CUT)
def hidden_in_one_mode(seen: Asked, answer: Answer) -> Answer:
    """Hidden reasoning uses up the cap of every plain answer, and is done in time in every stream."""
    return answer if answer.is_stream else _cut(seen, answer, 0, "")


@variation(
    "thinking-refused-at-the-cap",
    on=request("chat"),
    shows=(*_TEXTS, "tool-call", "json-schema"),
    source="nextlevelbuilder/goclaw#245: OpenAI's reasoning models refuse with 400 what they can't finish",
    because=_CUT,
)
def refused_at_the_cap(body: Any) -> None:
    """Where reasoning uses up the cap, the request is refused with HTTP 400."""
    if body.get("max_tokens") or body.get("max_completion_tokens"):
        raise Refusal(
            "Could not finish the message because max_tokens or model output limit was reached. Please try "
            "again with higher max_tokens."
        )


@variation("thinking-briefly", on=request("chat"), shows=(*_CHAT, *_RESULTS), source=_HIDDEN, because=_CUT)
def thinking_briefly(body: Any) -> None:
    """Sixteen tokens of hidden reasoning count against the cap: short answers are cut in the middle."""
    body["reasoning_effort"] = "low"


@variation("thinking", on=request("chat"), shows=(*_CHAT, *_RESULTS), source=_HIDDEN, because=_CUT)
def thinking(body: Any) -> None:
    """Thirty-two tokens of hidden reasoning count against the cap, before a right answer."""
    body["reasoning_effort"] = "medium"


@variation(
    "context-ends",
    on=request("chat"),
    shows=("tool-call", "tool-call-helper", "tool-call-parallel", "tool-call-named", *_DOCUMENTS),
    source="OpenAI API guide, structured outputs: length as well where the context ends before the cap",
    because=_CUT,
)
def context_ends(body: Any) -> None:
    """The context ends in the middle of a call or a document: the finish reason is length."""
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name):
            body[name] = 6


@variation(
    "thinking-responses-to-the-cap", on=request("responses"), shows=_RESPONSES, source=_HIDDEN, because=_CUT
)
def responses_to_the_cap(body: Any) -> None:
    """Reasoning uses up every cap of a response: it has no message, and is incomplete."""
    body["reasoning"] = {"effort": "max"}


@variation("thinking-responses", on=request("responses"), shows=_RESPONSES, source=_HIDDEN, because=_CUT)
def responses_thinking(body: Any) -> None:
    """Thirty-two tokens of reasoning count against the cap of a response, before a right answer."""
    body["reasoning"] = {"effort": "medium"}


@variation(
    "thinking-responses-streamed", on=request("responses"), shows=_RESPONSES, source=_HIDDEN, because=_CUT
)
def responses_thinking_streamed(body: Any) -> None:
    """Reasoning uses up the cap of every streamed response, and there is none in plain ones."""
    if body.get("stream"):
        body["reasoning"] = {"effort": "max"}


@variation(
    "thinking-after-message",
    on=objects("response"),
    shows=("response-capped",),
    source="OpenAI API reference, the response object: reasoning items may stand anywhere in the output",
)
def thinking_after_message(body: Any) -> None:
    """A plain response is cut in thoughts that follow a whole message."""
    if body["status"] == "incomplete":
        body["output"][-1]["status"] = "completed"
        body["output"].append({"id": "rs_1", "type": "reasoning", "summary": []})
