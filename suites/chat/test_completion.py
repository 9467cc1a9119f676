"""The plain chat completion: its shape, its choices, its counts."""

from collections.abc import Mapping

from harness.evidence import Object, shown
from harness.evidence.chat import Completion
from harness.rule import Level, Violation, Violations, rule
from harness.scenario import Mode, Scenario
from harness.schemas import violations

_SOURCE = "OpenAI API reference, the chat completion object"


def _is_capped(scenario: Scenario) -> bool:
    return "max_tokens" in scenario.params_for(Mode.PLAIN)


def _schema(completion: Completion, level: Level) -> Violations:
    for found in violations("chat_completion", completion.body, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "chat.schema-must",
    level="must",
    source=f"{_SOURCE}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
)
def a_completion_has_what_clients_need(completion: Completion) -> Violations:
    """A chat completion has every field that clients need, in the right type."""
    yield from _schema(completion, "must")


@rule(
    "chat.schema-spec",
    level="spec",
    source=f"{_SOURCE}; openai/openai-openapi CreateChatCompletionResponse, corrected by recorded answers",
    breaks="Clients with strict types refuse the answer.",
)
def a_completion_is_as_openai_documents_it(completion: Completion) -> Violations:
    """A chat completion has the fields and types that OpenAI documents."""
    yield from _schema(completion, "spec")


@rule(
    "chat.schema-recommended",
    level="recommended",
    source="recorded answers of OpenAI",
    breaks="Nobody that is known: OpenAI always sends it.",
)
def a_completion_has_what_openai_always_sends(completion: Completion) -> Violations:
    """A chat completion has the optional fields that OpenAI always sends."""
    yield from _schema(completion, "recommended")


@rule(
    "chat.choice-count",
    level="must",
    source=f"{_SOURCE}: choices; langchain-ai/langchain#32252",
    breaks="`choices[0]` raises IndexError; LangChain raises for none.",
)
def there_are_as_many_choices_as_asked(completion: Completion) -> Violations:
    """There are as many choices as `n` asks for."""
    asked, got = completion.observation.asked.get("n") or 1, len(completion.choices)
    if got != asked:
        yield Violation(received=f"{got} choices", expected=f"{asked}", pointer="/choices")


@rule(
    "chat.choice-indexes",
    level="spec",
    source=f"{_SOURCE}: choices[].index; BerriAI/litellm#3678",
    breaks="Clients that key choices by their index lose one.",
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
)
def a_finished_message_says_something(completion: Completion) -> Violations:
    """A message that ends with `stop` has text, a refusal or tool calls."""
    for pointer, choice in completion.choices:
        message = choice.get("message")
        if choice.get("finish_reason") == "stop" and isinstance(message, dict) and not _says(message):
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
)
def no_more_tokens_come_than_were_asked(completion: Completion) -> Violations:
    """An answer has no more completion tokens than its cap."""
    asked = completion.observation.asked
    cap, usage = asked.get("max_tokens") or asked.get("max_completion_tokens"), completion.body.get("usage")
    done = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    if isinstance(done, int) and isinstance(cap, int) and done > cap:
        yield Violation(
            received=f"{done} tokens", expected=f"at most {cap}", pointer="/usage/completion_tokens"
        )


@rule(
    "chat.cut-is-called-length",
    level="spec",
    source=f"{_SOURCE}: finish_reason; vllm-project/vllm#58228",
    breaks="An agent takes half an answer for a whole one.",
    when=lambda scenario: scenario.id == "capped",
)
def an_answer_cut_by_its_cap_says_so(completion: Completion) -> Violations:
    """An answer that its cap cut short has the finish reason `length`."""
    asked, usage = completion.observation.asked, completion.body.get("usage")
    cap = asked.get("max_tokens") or asked.get("max_completion_tokens")
    if isinstance(usage, Mapping) and usage.get("completion_tokens") == cap:
        for pointer, choice in completion.choices:
            if choice.get("finish_reason") != "length":
                yield Violation(
                    received=shown(choice.get("finish_reason")),
                    expected='"length"',
                    pointer=f"{pointer}/finish_reason",
                )


@rule(
    "chat.model-named",
    level="recommended",
    source=f"{_SOURCE}: model; BerriAI/litellm#19943",
    breaks="Costs and metrics keyed by the model's name go astray; another model may have answered.",
)
def the_answer_names_the_model_asked(completion: Completion) -> Violations:
    """The answer's model is the one asked for, or a snapshot of it."""
    asked, model = completion.observation.asked.get("model"), completion.body.get("model")
    if isinstance(asked, str) and isinstance(model, str) and not model.startswith(asked):
        yield Violation(received=shown(model), expected=f"{asked} or a snapshot of it", pointer="/model")
