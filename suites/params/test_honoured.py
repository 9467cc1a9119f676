"""Parameters with a visible effect: honoured, or accepted and ignored, which no client can tell.

Of an answer that was cut, only what is in it counts: what it lacks may have come later.

Where an endpoint refuses the parameter instead, these rules are not judged: `params.refused-cleanly` and the
rules of acceptance say how it refused.
"""

import re
from collections.abc import Callable, Iterator

from harness.evidence import NotJudgedError, Observation, parsed, shown
from harness.evidence.chat import (
    Answer,
    AnswerChoice,
    Chunk,
    ChunkStream,
    Completion,
    Pair,
    Parts,
    visible_tokens,
)
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Ground, Violation, Violations, in_chunk, rule
from harness.scenario import Ask, Mode, Scenario

_SOURCE = "OpenAI API reference, chat/create"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CHARACTERS_OF_A_TOKEN = 16
"""More than tokens have on average in any language: what is longer was not capped."""


def _asks(*names: str) -> Callable[[Scenario], bool]:
    """Whether a chat scenario that is answered asks for all of these parameters."""

    def when(scenario: Scenario) -> bool:
        params = scenario.params_for(Mode.STREAM)
        return scenario.is_answered_by("chat") and all(params.get(name) is not None for name in names)

    return when


def _is(*ids: str) -> Callable[[Scenario], bool]:
    return lambda scenario: scenario.id in ids


def _is_made_up(done: object, text: str) -> bool:
    return isinstance(done, int) and bool(text) and done > len(text.encode())


def _overrun(answer: Answer, name: str) -> Violations:
    """What shows that a cap had no effect on a long answer; NotJudgedError when the answer was short."""
    cap = answer.observation.asked.get(name)
    text = "".join(choice.text or "" for choice in answer.choices)
    if not isinstance(cap, int):
        raise NotJudgedError(f"the client sent no {name}")
    # The older parameter bounds the thoughts of some models alone.
    done = visible_tokens(answer) if name == "max_tokens" else (answer.usage or {}).get("completion_tokens")
    # A count of more tokens than the text has bytes is made up: `chat.cap-obeyed` tells of it.
    done = None if answer.usage is None or _is_made_up(done, text) else done
    # An end that is not called `length` after more tokens than were asked for is nobody's but the model's.
    is_over = isinstance(done, int) and (done > 2 * cap or (done > cap and not answer.is_cut))
    if len(text) > _CHARACTERS_OF_A_TOKEN * cap or is_over:
        yield Violation(
            received=f"{shown(done)} tokens, {len(text)} characters: {name} ignored",
            expected=f"an end after {cap} tokens",
        )
    elif all(choice.finish_reason == "stop" for choice in answer.choices):
        raise NotJudgedError("the answer ended before its cap")


@rule(
    "params.max-tokens-honoured",
    level="must",
    source=f"{_SOURCE}: max_tokens; langchain-ai/langchain#29954",
    breaks="Costs and waiting times have no bound, and nothing says so.",
    answers=("cr-unknown-ignored",),
    when=_is("capped", "cap-one"),
    effect_of="max_tokens",
    upholds=Ground.HONOURED,
    rests_on=OF_AN_ANSWER,
)
def max_tokens_has_an_effect(answer: Answer) -> Violations:
    """max_tokens ends a long answer: it is not ignored."""
    yield from _overrun(answer, "max_tokens")


@rule(
    "params.max-completion-tokens-honoured",
    level="must",
    source=f"{_SOURCE}: max_completion_tokens; langchain-ai/langchain#29954, langchain-ai/langchain#30113",
    breaks="LangChain sends max_tokens by this name: its users' cap has no effect.",
    answers=("lc-max-completion-tokens", "cr-unknown-ignored"),
    when=_is("capped-completion", "cap-one-completion"),
    effect_of="max_completion_tokens",
    upholds=Ground.HONOURED,
    rests_on=OF_AN_ANSWER,
)
def max_completion_tokens_has_an_effect(answer: Answer) -> Violations:
    """max_completion_tokens ends a long answer: it is not ignored."""
    yield from _overrun(answer, "max_completion_tokens")


def _stops(answer: Answer) -> tuple[str, ...]:
    asked = answer.observation.asked.get("stop")
    return tuple(text for text in (asked if isinstance(asked, list) else [asked]) if isinstance(text, str))


def _stop_in(text: str, stops: tuple[str, ...]) -> tuple[str, str] | None:
    """The first stop sequence in a text, and what follows it."""
    found = [(text.find(stop), stop) for stop in stops if stop in text]
    if not found:
        return None
    start, stop = min(found)
    return stop, text[start + len(stop) :]


@rule(
    "params.stop-honoured",
    level="must",
    source=f"{_SOURCE}: stop; huggingface/text-generation-inference#1619, Blaizzy/mlx-vlm#1044",
    breaks="Agents that stop the model before it invents a tool's result run on.",
    answers=("cr-stop-ignored", "cr-unknown-ignored"),
    when=_asks("stop"),
    effect_of="stop",
    rests_on=OF_AN_ANSWER,
)
def stop_has_an_effect(answer: Answer) -> Violations:
    """An answer ends at a stop sequence: stop is not ignored."""
    stops = _stops(answer)
    for choice in answer.choices:
        found = _stop_in(choice.text or "", stops)
        if found and found[1].strip():
            yield Violation(
                received=f"{shown(found[0])} and then {shown(found[1].strip())}: stop ignored",
                expected=f"the end before {shown(found[0])}",
            )
        elif found is None:
            _raise_unless_stopped(answer, choice)


def _raise_unless_stopped(answer: Answer, choice: AnswerChoice) -> None:
    """NotJudgedError unless the count, or the alphabet, came to a stop sequence before its cap ended it."""
    text, stops = choice.text or "", _stops(answer)
    counted, letters = _counted_to(text), re.findall(r"[a-z]", text.lower())
    is_alphabet = bool(letters) and "".join(letters) == _LETTERS[: len(letters)]
    is_reached = any(
        counted > 0 and int(first[0]) in (counted, counted + 1)
        if (first := re.search(r"\d+", stop))
        else is_alphabet and len(stop) == 1 and stop == _LETTERS[len(letters) : len(letters) + 1]
        for stop in stops
    )
    if not is_reached:
        raise NotJudgedError(f"the model did not come to the stop sequence: {shown(choice.text)}")
    cap, done = answer.observation.asked.get("max_tokens"), (answer.usage or {}).get("completion_tokens")
    if choice.is_cut and not (isinstance(cap, int) and isinstance(done, int) and done < cap):
        raise NotJudgedError("the cap cut the answer before the stop sequence")


def _counted_to(text: str) -> int:
    """How far a text counts from 1; 0 for one that does not: its last number is nobody's count."""
    numbers = list(map(int, re.findall(r"\d{1,9}", text)))
    return len(numbers) if numbers == list(range(1, len(numbers) + 1)) else 0


@rule(
    "params.stop-not-included",
    level="must",
    source=f"{_SOURCE}: stop, the text will not contain the stop sequence; Blaizzy/mlx-vlm#1069",
    breaks="Programs that parse the text find the sentinel, or a piece of it, at its end.",
    answers=("cr-stop-included", "cr-stop-split"),
    when=_asks("stop"),
    rests_on=OF_AN_ANSWER,
)
def the_text_ends_before_the_stop_sequence(answer: Answer) -> Violations:
    """An answer that a stop sequence ended does not have it, or a piece of it, at its end."""
    for choice in answer.choices:
        text = (choice.text or "").rstrip()
        for stop in _stops(answer) if choice.finish_reason != "length" else ():
            pieces = [stop[:size].strip() for size in range(len(stop), 0, -1)]
            left = next((piece for piece in pieces if _is_left_of(stop, piece, text)), None)
            if left:
                yield Violation(
                    received=f"{shown(left)} at the end of {shown(text)}",
                    expected=f"the end before {shown(stop)}",
                )


def _is_left_of(stop: str, piece: str, text: str) -> bool:
    """Whether a text ends with a piece of a stop sequence, and not with a number or a letter of its own."""
    if not piece or not re.search(rf"(?<!\d){re.escape(piece)}$", text):
        return False
    if piece == stop.strip():
        return text.endswith(stop.rstrip())
    return _counted_to(text) == int(piece) if piece.isdecimal() else len(piece) > 1


@rule(
    "params.stop-finish-reason",
    level="spec",
    source=f"{_SOURCE}: finish_reason stop, for a natural end or a stop sequence",
    breaks="Programs take an answer that a stop sequence ended for one that the cap cut.",
    answers=("cn-finish-eos-token",),
    when=_asks("stop"),
    upholds=Ground.ENDED,
    rests_on=OF_AN_ANSWER | {Ground.ENDING},
)
def an_answer_that_was_stopped_says_stop(answer: Answer) -> Violations:
    """An answer that ends where a stop sequence would begin has the finish reason `stop`."""
    for choice in answer.choices:
        if _stop_in(choice.text or "", _stops(answer)) is None:
            _raise_unless_stopped(answer, choice)
            if choice.finish_reason != "stop":
                yield Violation(received=shown(choice.finish_reason), expected='"stop"')


@rule(
    "params.n-honoured",
    level="must",
    source=f"{_SOURCE}: n; abetlen/llama-cpp-python#1906",
    breaks="Programs that choose among n answers have one, or raise IndexError at the second.",
    answers=("cr-n-ignored",),
    when=lambda scenario: _asks("n")(scenario) and scenario.params_for(Mode.PLAIN)["n"] != 1,
    effect_of="n",
    upholds=Ground.HONOURED,
    rests_on=OF_AN_ANSWER,
)
def n_has_an_effect(answer: Answer) -> Violations:
    """There are n choices: n is not ignored."""
    asked, got = answer.observation.asked.get("n") or 1, len(answer.choices)
    if isinstance(asked, int) and got < asked:
        yield Violation(received=f"{got} of {asked} choices: n ignored", expected=f"{asked} choices")


@rule(
    "params.n-choices-whole",
    level="must",
    source=f"{_SOURCE}: n; OpenAI API reference, the chat completion chunk object: choices[].index",
    breaks="One of the answers is empty or never ends; the text of another runs through it.",
    when=_asks("n"),
    rests_on=OF_AN_ANSWER,
)
def each_choice_has_its_own_text_and_end(answer: Answer) -> Violations:
    """Each of n choices has a text and a finish reason of its own."""
    empty = [
        choice
        for choice in answer.choices
        if choice.finish_reason is None or not (choice.text or choice.is_withheld)
    ]
    details = (answer.usage or {}).get("completion_tokens_details")
    may_have_thought = not isinstance(details, dict) or details.get("reasoning_tokens") != 0
    for choice in empty:
        if not (choice.is_cut and may_have_thought):
            yield Violation(
                received=f"{shown(choice.text)}, finish reason {shown(choice.finish_reason)}",
                expected=f"a text and a finish reason for choice {shown(choice.index)}",
            )
    if empty and may_have_thought and all(choice.is_cut for choice in empty):
        raise NotJudgedError("the cap was used up before a choice had a text")


@rule(
    "params.n-counted",
    level="spec",
    source="OpenAI API reference, completion usage: completion_tokens of all choices",
    breaks="Costs and tokens per second come out too low.",
    when=_asks("n"),
)
def the_tokens_of_all_choices_count(answer: Answer) -> Violations:
    """The completion tokens count every choice, with a token at the least for each that says something."""
    done = (answer.usage or {}).get("completion_tokens")
    texts = [choice.text for choice in answer.choices if choice.text]
    least = max(len(texts), sum(map(len, texts)) // _CHARACTERS_OF_A_TOKEN)
    if isinstance(done, int) and done < least:
        yield Violation(
            received=f"{done} tokens for {len(texts)} texts",
            expected=f"at least {least}",
            pointer="/usage/completion_tokens",
        )


@rule(
    "params.logprobs-honoured",
    level="must",
    source=f"{_SOURCE}: logprobs",
    breaks="`choice.logprobs.content` raises on None; evaluation programs score nothing.",
    when=_asks("logprobs"),
    effect_of="logprobs",
    rests_on=OF_AN_ANSWER,
)
def logprobs_has_an_effect(parts: Parts) -> Violations:
    """A text has log probabilities when they are asked for: logprobs is not ignored."""
    said = [choice for choice in parts.by_choice if any(part.said.get("content") for part in choice)]
    if not said:
        raise NotJudgedError("no text")
    for choice in said:
        if not any(part.logprobs for part in choice):
            received = f"{shown(choice[0].choice.get('logprobs'))}: logprobs ignored"
            yield Violation(received, "log probabilities", *choice[0].place("/logprobs"))


@rule(
    "params.top-logprobs-honoured",
    level="spec",
    source=f"{_SOURCE}: top_logprobs",
    breaks="Programs that compare the likeliest tokens find none.",
    when=_is("top-logprobs"),
    effect_of="top_logprobs",
    rests_on=OF_AN_ANSWER,
)
def top_logprobs_has_an_effect(parts: Parts) -> Violations:
    """A token has alternatives when they are asked for, and no more than asked for."""
    most = parts.observation.asked.get("top_logprobs")
    if not any(part.logprobs for part in parts):
        raise NotJudgedError("no log probabilities")
    for part in parts:
        for step, entry in part.logprobs:
            likely = entry.get("top_logprobs")
            size = len(likely) if isinstance(likely, list) else 0
            if isinstance(most, int) and not 1 <= size <= most:
                said = "top_logprobs ignored" if size == 0 else f"{size} of them"
                yield Violation(
                    f"{shown(likely)}: {said}", f"1 to {most}", *part.place(f"{step}/top_logprobs")
                )


@rule(
    "params.seed-honoured",
    level="recommended",
    source=f"{_SOURCE}: seed, best effort, with system_fingerprint for changes of the backend",
    breaks="Runs can't be repeated, though the endpoint says that nothing has changed.",
    answers=("cr-seed-ignored",),
    when=_asks("seed"),
    effect_of="seed",
)
def a_seed_repeats_the_answer(pair: Pair) -> Violations:
    """The same seed at temperature 0 gives the same text again while system_fingerprint stays the same."""
    plain, streamed = (
        [choice.text or "" for choice in answer.choices] for answer in (pair.plain, pair.streamed)
    )
    if not any((*plain, *streamed)):
        raise NotJudgedError("no text")
    if (pair.plain.is_cut or pair.streamed.is_cut) and _is_beginning(plain, streamed):
        raise NotJudgedError("the cap cut a text that begins as the other one does")
    if plain != streamed and not _says_that_nothing_changed(pair):
        raise NotJudgedError("the texts differ, which best effort allows")
    if plain != streamed:
        yield Violation(received=f"{shown(streamed)} streamed: seed ignored", expected=shown(plain))


def _is_beginning(texts: list[str], others: list[str]) -> bool:
    """Whether the texts differ in their lengths alone."""
    pairs = list(zip(texts, others, strict=False))
    return texts != others and all(one.startswith(other) or other.startswith(one) for one, other in pairs)


def _says_that_nothing_changed(pair: Pair) -> bool:
    """Whether both answers have the same system_fingerprint, and not none."""
    fingerprint = Completion.of(pair.plain.observation).body.get("system_fingerprint")
    chunks = ChunkStream.of(pair.streamed.observation).chunks
    return bool(fingerprint) and all(chunk.body.get("system_fingerprint") == fingerprint for chunk in chunks)


def _wants_json_text(scenario: Scenario) -> bool:
    form = scenario.params_for(Mode.PLAIN).get("response_format")
    helper = scenario.ask.helper if isinstance(scenario.ask, Ask) else ""
    is_json = isinstance(form, dict) and form.get("type") != "text"
    return scenario.is_answered_by("chat") and is_json and helper != "function_calling"


@rule(
    "params.response-format-honoured",
    level="must",
    source=f"{_SOURCE}: response_format; ROCm/FastFlowLM#554, ollama/ollama#10001",
    breaks="`json.loads`, the SDK's `parse` and LangChain's `with_structured_output` raise.",
    answers=("cr-unknown-ignored", "cr-json-schema-ignored", "lc-json-schema-default"),
    when=_wants_json_text,
    effect_of="response_format",
    upholds=Ground.SAID,
    rests_on=OF_AN_ANSWER,
)
def response_format_has_an_effect(answer: Answer) -> Violations:
    """A text is JSON when it is asked for: response_format is not ignored."""
    for choice in answer.choices:
        text = choice.text or ""
        inner = text[text.find("{") : text.rfind("}") + 1]
        if choice.finish_reason == "length":
            raise NotJudgedError("the cap cut the document")
        if choice.is_withheld:
            raise NotJudgedError("the model refused, or a filter ended the answer")
        if choice.calls and answer.observation.asked.get("tools"):
            raise NotJudgedError("the model called a tool instead")
        if not isinstance(parsed(inner.encode()), dict) and text.count("{") <= text.count("}"):
            yield Violation(received=f"{shown(choice.text)}: response_format ignored", expected="JSON")


@rule(
    "params.tool-choice-honoured",
    level="must",
    source=f"{_SOURCE}: tool_choice; ollama/ollama#8421, google-ai-edge/LiteRT-LM#2471",
    breaks="LangChain's structured output gives None; a forbidden tool runs.",
    answers=("cr-tool-choice-ignored", "cr-unknown-ignored"),
    when=_asks("tool_choice"),
    effect_of="tool_choice",
    rests_on=OF_AN_ANSWER | {Ground.CALL, Ground.CALLS},
)
def tool_choice_has_an_effect(answer: Answer) -> Violations:
    """A named function is called, some call made where one is required, none where it is forbidden."""
    wanted = answer.observation.asked.get("tool_choice")
    function = wanted.get("function") if isinstance(wanted, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    for choice in answer.choices:
        called = [call.name for call in choice.calls]
        if choice.is_cut and not called and not (wanted == "none" and choice.text):
            raise NotJudgedError("the cap cut the answer before any call")
        if choice.is_withheld and not called:
            raise NotJudgedError("the model refused, or a filter ended the answer")
        if wanted == "none" and called:
            yield Violation(received=f"a call of {shown(called)}: tool_choice ignored", expected="no call")
        if wanted == "required" and not called:
            yield Violation(received=f"{shown(choice.text)}: tool_choice ignored", expected="a tool call")
        if name is not None and set(called) != {name}:
            got = f"calls of {shown(called)}" if called else shown(choice.text)
            yield Violation(received=f"{got}: tool_choice ignored", expected=f"a call of {shown(name)}")


@rule(
    "params.parallel-tool-calls-honoured",
    level="must",
    source=f"{_SOURCE}: parallel_tool_calls; vllm-project/vllm#9451, sgl-project/sglang#9696",
    breaks="Agents that take one step at a time run one call and drop the others.",
    answers=("cr-parallel-false-ignored",),
    when=lambda scenario: scenario.params_for(Mode.PLAIN).get("parallel_tool_calls") is False,
    effect_of="parallel_tool_calls",
    rests_on=OF_AN_ANSWER | {Ground.CALLS},
)
def parallel_tool_calls_has_an_effect(answer: Answer) -> Violations:
    """With parallel_tool_calls false there is one call at most: it is not ignored."""
    for choice in answer.choices:
        if not choice.calls:
            raise NotJudgedError("the model called no tool")
        if choice.is_cut and len(choice.calls) == 1:
            raise NotJudgedError("the cap cut the answer after the first call")
        if len(choice.calls) > 1:
            yield Violation(
                received=f"{len(choice.calls)} calls: parallel_tool_calls ignored", expected="one call"
            )


@rule(
    "params.stream-options-honoured",
    level="spec",
    source=f"{_SOURCE}: stream_options; ollama/ollama#4448",
    breaks="Costs of streams are 0; readers who turned obfuscation off pay for its bytes.",
    answers=("su-include-usage-ignored",),
    when=_asks("stream_options"),
    effect_of="stream_options",
    shows=("stream-usage",),
    upholds=Ground.HONOURED,
)
def stream_options_have_an_effect(stream: ChunkStream) -> Violations:
    """A stream has usage when asked for it, and no obfuscation when asked for none."""
    options = stream.observation.asked.get("stream_options")
    if not isinstance(options, dict):
        raise NotJudgedError("the client sent no stream_options")
    if options.get("include_usage") is True and not any(chunk.body.get("usage") for chunk in stream.chunks):
        yield Violation(received="no usage: include_usage ignored", expected="a chunk with usage")
    for chunk in _obfuscated(stream) if options.get("include_obfuscation") is False else ():
        yield in_chunk(
            chunk,
            "/obfuscation",
            received=f"{shown(chunk.body['obfuscation'])}: include_obfuscation ignored",
            expected="no key",
        )


def _obfuscated(stream: ChunkStream) -> Iterator[Chunk]:
    return (chunk for chunk in stream.chunks if chunk.body.get("obfuscation"))


@rule(
    "params.stream-honoured",
    level="must",
    source=f"{_SOURCE}: stream, false or null for one body; decolua/9router#3492",
    breaks="The SDK gives a str instead of an object; LangChain sends stream false with every invoke.",
    answers=("cn-wrong-default-stream", "cn-sse-tail-on-json"),
    when=lambda scenario: "stream" in scenario.params_for(Mode.PLAIN) and scenario.is_answered,
    effect_of="stream",
)
def stream_false_and_null_are_no_stream(observation: Observation) -> Violations:
    """A request with `stream` false or null is answered with one body: the value is not ignored."""
    response = observation.response
    if 200 <= response.status < 300:
        is_stream = b"data:" in response.body[:64] or b"[DONE]" in response.body[-32:]
        if is_stream or response.media_type == "text/event-stream":
            asked = shown(observation.asked.get("stream"))
            yield Violation(
                received=f"{response.media_type} with {shown(response.body)}: stream {asked} ignored",
                expected="one JSON object",
            )
