"""The plain chat completion: its shape, its choices, its counts."""

import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime

from harness.evidence import NotJudgedError, Object, joined, shown
from harness.evidence.chat import Answer, ChunkStream, Completion, Pair, raise_if_ended_at_once
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Ground, Level, Violation, Violations, rule, shape
from harness.scenario import Mode, Scenario
from harness.schemas import violations

_SOURCE = "OpenAI API reference, the chat completion object"


def _is_capped(scenario: Scenario) -> bool:
    return bool({"max_tokens", "max_completion_tokens"} & scenario.params_for(Mode.PLAIN).keys())


def _schema(completion: Completion, level: Level) -> Violations:
    for found in violations("chat_completion", completion.body, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "chat.schema-must",
    level="must",
    source=f"{_SOURCE}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    answers=(
        "cn-created-missing",
        "cn-choices-null",
        "lc-null-choices",
        "cn-content-array",
        "cn-finish-eos",
        "cn-finish-eos-token",
        "cn-finish-upper",
        "cn-finish-null",
        "cn-finish-error",
    ),
    upholds=shape,
)
def a_completion_has_what_clients_need(completion: Completion) -> Violations:
    """A chat completion has every field that clients need, in the right type."""
    yield from _schema(completion, "must")


@rule(
    "chat.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi CreateChatCompletionResponse, corrected by recorded answers",
    breaks="Clients with strict types refuse the answer.",
    answers=("cn-created-missing",),
    upholds=shape,
)
def a_completion_is_as_openai_documents_it(completion: Completion) -> Violations:
    """A chat completion has the fields and types that OpenAI documents."""
    yield from _schema(completion, "spec")


@rule(
    "chat.schema-recommended",
    level="recommended",
    source="recorded answers of OpenAI",
    breaks="Nobody that is known: OpenAI always sends it.",
    answers=("cn-refusal-missing",),
    upholds=shape,
)
def a_completion_has_what_openai_always_sends(completion: Completion) -> Violations:
    """A chat completion has the optional fields that OpenAI always sends."""
    yield from _schema(completion, "recommended")


@rule(
    "chat.choice-count",
    level="must",
    source=f"{_SOURCE}: choices; langchain-ai/langchain#32252",
    breaks="`choices[0]` raises IndexError; LangChain raises for none.",
    answers=("cn-choices-null", "lc-null-choices"),
    upholds=Ground.CHOICES,
)
def there_are_choices_and_no_more_than_asked(completion: Completion) -> Violations:
    """There are choices, and no more than `n` asks for."""
    asked, got = completion.observation.asked.get("n") or 1, len(completion.choices)
    if not 1 <= got <= asked:
        yield Violation(received=f"{got} choices", expected=f"{asked}", pointer="/choices")


@rule(
    "chat.choice-indexes",
    level="spec",
    source=f"{_SOURCE}: choices[].index; BerriAI/litellm#3678",
    breaks="Clients that key choices by their index lose one.",
    answers=("cn-choice-index-offbyone",),
    upholds=Ground.CHOICES,
)
def choices_are_numbered_from_zero(completion: Completion) -> Violations:
    """The choices' indexes are 0 to n-1, each once."""
    indexes = [choice.get("index") for _, choice in completion.choices]
    if sorted(map(str, indexes)) != sorted(map(str, range(len(indexes)))):
        yield Violation(received=shown(indexes), expected=f"0 to {len(indexes) - 1}", pointer="/choices")


@rule(
    "chat.says-something",
    level="must",
    source=f"{_SOURCE}: message; modelscope/modelscope#1513",
    breaks="The user has an empty answer and no error.",
    answers=("lc-empty-content-nonstream",),
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def a_finished_message_says_something(completion: Completion) -> Violations:
    """A message that ends with `stop` has text, a refusal or tool calls."""
    for pointer, choice in completion.choices:
        message = choice.get("message")
        if choice.get("finish_reason") == "stop" and isinstance(message, dict) and not _says(message):
            raise_if_ended_at_once(Answer.of(completion.observation))
            yield Violation(
                received=shown(message),
                expected="text, a refusal or tool calls",
                pointer=f"{pointer}/message",
            )


def _says(message: Object) -> bool:
    return any(message.get(key) for key in ("content", "refusal", "tool_calls", "function_call", "audio"))


@rule(
    "chat.no-empty-tool-calls",
    level="spec",
    source=f"{_SOURCE}: message.tool_calls; vllm-project/vllm#44104",
    breaks="Loops on `message.tool_calls is not None` raise IndexError; a replay is refused.",
    answers=("cn-tool-calls-empty-array", "lc-tool-calls-empty"),
)
def no_calls_are_no_list(completion: Completion) -> Violations:
    """A message without tool calls has no `tool_calls`, or null, but not an empty list."""
    for pointer, message in completion.messages:
        if message.get("tool_calls") == []:
            yield Violation(received="[]", expected="no key, or null", pointer=f"{pointer}/tool_calls")


@rule(
    "chat.usage-sum",
    level="spec",
    source=f"{_SOURCE}: usage; mozilla-ai/any-llm#1290",
    breaks="Costs and tokens per second come out wrong.",
    answers=("cn-usage-sum",),
)
def the_total_is_the_sum(completion: Completion) -> Violations:
    """usage.total_tokens is prompt_tokens plus completion_tokens."""
    usage = completion.body.get("usage")
    if isinstance(usage, Mapping):
        prompt, done, total = (usage.get(f"{part}_tokens") for part in ("prompt", "completion", "total"))
        if isinstance(prompt, int) and isinstance(done, int) and total != prompt + done:
            yield Violation(
                received=shown(usage), expected=f"total {prompt + done}", pointer="/usage/total_tokens"
            )


@rule(
    "chat.usage-parts",
    level="spec",
    source=f"{_SOURCE}: usage details; router-for-me/CLIProxyAPI#1643",
    breaks="Costs come out wrong.",
    answers=("cn-usage-sum", "cn-usage-prompt-unstable"),
)
def a_part_is_no_more_than_the_whole(completion: Completion) -> Violations:
    """Cached tokens are part of the prompt's, reasoning tokens part of the completion's."""
    usage = completion.body.get("usage")
    if not isinstance(usage, Mapping):
        return
    for whole, part in (("prompt", "cached"), ("completion", "reasoning")):
        details = usage.get(f"{whole}_tokens_details")
        part_count = details.get(f"{part}_tokens") if isinstance(details, Mapping) else None
        whole_count = usage.get(f"{whole}_tokens")
        if isinstance(part_count, int) and isinstance(whole_count, int) and part_count > whole_count:
            yield Violation(
                received=f"{part_count} {part} of {whole_count} {whole} tokens",
                expected=f"at most {whole_count}",
                pointer=f"/usage/{whole}_tokens_details/{part}_tokens",
            )


@rule(
    "chat.cap-obeyed",
    level="spec",
    source="OpenAI API reference, chat/create: max_tokens; langchain-ai/langchain#29954",
    breaks="Costs have no bound.",
    when=_is_capped,
    rests_on=(Ground.HONOURED,),
)
def no_more_tokens_come_than_were_asked(completion: Completion) -> Violations:
    """An answer has no more completion tokens than its cap."""
    asked, usage = completion.observation.asked, completion.body.get("usage")
    name = "max_completion_tokens" if asked.get("max_completion_tokens") else "max_tokens"
    cap = asked.get(name)
    done = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    if not isinstance(done, int) or not isinstance(cap, int):
        return
    if "max_completion_tokens" not in asked:
        done -= _reasoning_tokens(usage)
    most = cap * max(1, len(completion.choices))
    if done > most:
        yield Violation(
            received=f"{done} tokens by {name}",
            expected=f"at most {most}",
            pointer="/usage/completion_tokens",
        )


def _reasoning_tokens(usage: object) -> int:
    """What was thought before the answer, which the older parameter does not bound everywhere."""
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    reasoning = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    return reasoning if isinstance(reasoning, int) else 0


@rule(
    "chat.cut-is-called-length",
    level="spec",
    source=f"{_SOURCE}: finish_reason; vllm-project/vllm#58228",
    breaks="An agent takes half an answer for a whole one.",
    when=lambda scenario: scenario.id == "capped",
    answers=("cn-finish-toolcalls-on-truncation",),
    upholds=Ground.ENDED,
    rests_on=(
        Ground.CHOICES,
        Ground.ENDING,
        Ground.SHAPE,
    ),
)
def an_answer_cut_by_its_cap_says_so(completion: Completion) -> Violations:
    """An answer that its cap cut short has the finish reason `length`."""
    asked, usage = completion.observation.asked, completion.body.get("usage")
    cap = asked.get("max_tokens") or asked.get("max_completion_tokens")
    if isinstance(usage, Mapping) and usage.get("completion_tokens") == cap:
        for pointer, choice in completion.choices:
            if choice.get("finish_reason") != "length":
                if not _is_unfinished(choice.get("message")):
                    raise NotJudgedError("the answer may have ended by itself at its cap")
                yield Violation(
                    received=shown(choice.get("finish_reason")),
                    expected='"length"',
                    pointer=f"{pointer}/finish_reason",
                )


def _is_unfinished(message: object) -> bool:
    """Whether a message is a part of the count to 100 that was asked for."""
    text = message.get("content") if isinstance(message, dict) else None
    numbers = re.findall(r"\d+", text or "")
    return bool(re.fullmatch(r"[\s\d,.]*", text or "")) and numbers[-1:] != ["100"]


@rule(
    "chat.model-named",
    level="recommended",
    source=f"{_SOURCE}: model; BerriAI/litellm#19943",
    breaks="Costs and metrics keyed by the model's name go astray; another model may have answered.",
    answers=("cn-model-echo",),
)
def the_answer_names_the_model_asked(completion: Completion) -> Violations:
    """The answer's model is the one asked for, or a snapshot of it."""
    asked, model = completion.observation.asked.get("model"), completion.body.get("model")
    if not isinstance(asked, str) or not isinstance(model, str):
        return
    if not model.startswith(asked.removesuffix("-latest").removesuffix("-preview")):
        yield Violation(received=shown(model), expected=f"{asked} or a snapshot of it", pointer="/model")


@rule(
    "chat.usage-given",
    level="spec",
    source="recorded answers of OpenAI: every one has usage; panbanda/higgs#77",
    breaks="LangChain's usage_metadata is None, costs are 0, benchmarks have no tokens.",
    answers=("bm-no-prompt-tokens",),
)
def a_completion_has_usage(completion: Completion) -> Violations:
    """A plain chat completion has usage."""
    if not isinstance(completion.body.get("usage"), dict):
        yield Violation(received=shown(completion.body.get("usage")), expected="usage", pointer="/usage")


@rule(
    "chat.usage-counts-text",
    level="spec",
    source=f"{_SOURCE}: usage; tashfeenahmed/freellmapi#845",
    breaks="Costs and tokens per second come out wrong.",
    answers=("su-usage-mismatch",),
)
def no_more_text_comes_than_is_counted(completion: Completion) -> Violations:
    """A completion has no more text than its tokens can make."""
    usage = completion.body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    texts = [message.get("content") for _, message in completion.messages]
    size_bytes = sum(len(text.encode("utf-8", "replace")) for text in texts if isinstance(text, str))
    if isinstance(tokens, int) and size_bytes > _LARGE_TOKEN_BYTES * tokens:
        yield Violation(
            received=f"{tokens} tokens counted for {size_bytes} bytes of text",
            expected=f"more than {size_bytes // _LARGE_TOKEN_BYTES}",
            pointer="/usage/completion_tokens",
        )


_LARGE_TOKEN_BYTES = 64


@rule(
    "chat.created-now",
    level="spec",
    source=f"{_SOURCE}: created, the Unix time in seconds; mudler/LocalAI#1103",
    breaks="Logs and caches that sort by time put the answer into another year.",
    answers=("cn-created-missing",),
)
def the_answer_was_created_when_it_came(completion: Completion) -> Violations:
    """`created` is the time of the answer: within a day of the Date header, or at least after 2020."""
    created = completion.body.get("created")
    if not isinstance(created, int):
        return
    sent_s = _date_s(completion.observation.response.header("date"))
    if sent_s is None and created < _NEW_YEAR_2020_S:
        yield Violation(received=shown(created), expected="a Unix time in seconds", pointer="/created")
    if sent_s is not None and abs(created - sent_s) > _DAY_S:
        yield Violation(
            received=shown(created), expected=f"about {sent_s}, as the Date header says", pointer="/created"
        )


_NEW_YEAR_2020_S = 1_577_836_800
_DAY_S = 86_400


def _date_s(header: str | None) -> int | None:
    """The Date header (RFC 9110, 6.6.1) as Unix time; None when there is none that can be read."""
    try:
        return int(parsedate_to_datetime(header).timestamp()) if header else None
    except (ValueError, OverflowError):
        return None


@rule(
    "chat.no-error-in-choice",
    level="must",
    source="OpenAI API reference, errors; maximhq/bifrost#5425",
    breaks="The SDK and LangChain take an answer that broke off for a whole one.",
    answers=("cn-finish-error",),
    upholds=Ground.ENDING,
)
def no_choice_of_an_answer_carries_an_error(completion: Completion) -> Violations:
    """No choice has an `error`."""
    for pointer, choice in completion.choices:
        if choice.get("error") is not None:
            yield Violation(shown(choice["error"]), "an HTTP error, or no error", f"{pointer}/error")


@rule(
    "chat.key-case",
    level="must",
    source=f"{_SOURCE}: finish_reason, tool_calls; jakobdylanc/llmcord#84",
    breaks="Clients read the documented key and find nothing.",
    upholds=Ground.SHAPE,
)
def keys_of_an_answer_are_in_snake_case(completion: Completion) -> Violations:
    """No key of a choice or message is OpenAI's in camel case, such as `finishReason`."""
    for pointer, values in (*completion.choices, *completion.messages):
        for key in sorted(_CAMEL_CASE & values.keys()):
            yield Violation(received=key, expected="the key in snake_case", pointer=f"{pointer}/{key}")


_CAMEL_CASE = frozenset({"finishReason", "toolCalls", "functionCall", "logProbs"})


@rule(
    "chat.one-reasoning-field",
    level="spec",
    source="vllm-project/vllm#27755; strands-agents/harness-sdk#2182",
    breaks="Readers of one name find the reasoning in one mode, and nothing in the other.",
    answers=("cn-reasoning-field-name",),
)
def both_modes_carry_reasoning_alike(pair: Pair) -> Violations:
    """Reasoning that is shown has the same key in both modes, and one key alone."""
    completion, stream = Completion.of(pair.plain.observation), ChunkStream.of(pair.streamed.observation)
    plain = _carriers(message for _, message in completion.messages)
    streamed = _carriers(part.delta for choice in stream.choices for part in choice.deltas)
    if len(plain) > 1 or len(streamed) > 1 or (plain and streamed and plain != streamed):
        yield Violation(
            received=f"{joined(sorted(plain))} plain, {joined(sorted(streamed))} streamed",
            expected="one key, the same in both modes",
        )


def _carriers(messages: Iterable[Object]) -> set[str]:
    return {key for message in messages for key in ("reasoning", "reasoning_content") if message.get(key)}
