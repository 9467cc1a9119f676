"""Log probabilities: one entry for each token of the text, with its bytes and the likeliest others."""

from harness.evidence import shown
from harness.evidence.chat import Part, Parts
from harness.evidence.grounds import OF_AN_ANSWER
from harness.rule import Violation, Violations, rule
from harness.scenario import Mode, Scenario
from harness.wire.exchange import Json

_SOURCE = "OpenAI API reference, the chat completion object: choices[].logprobs"
_ROUNDING = 1e-4
"""Probabilities that were rounded up to 1 give logarithms a little above 0."""


def _asks_for_logprobs(scenario: Scenario) -> bool:
    return scenario.params_for(Mode.PLAIN).get("logprobs") is True


def _asks_for_none(scenario: Scenario) -> bool:
    return not _asks_for_logprobs(scenario)


@rule(
    "params.logprobs-spell-the-text",
    level="spec",
    source=f"{_SOURCE}: content, token and bytes",
    breaks="Programs that find a word's score by its place in the text read another word's.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def the_tokens_spell_the_text(parts: Parts) -> Violations:
    """The tokens with log probabilities, joined, are the text; by their bytes where a character is cut."""
    for choice in parts.by_choice:
        text = "".join(said for part in choice if isinstance(said := part.said.get("content"), str))
        entries = [entry for part in choice for _, entry in part.logprobs]
        tokens = "".join(token for entry in entries if isinstance(token := entry.get("token"), str))
        if entries and text not in (tokens, _decoded([entry.get("bytes") for entry in entries])):
            yield Violation(shown(tokens), shown(text), *_first(choice).place("/logprobs/content"))


def _first(choice: tuple[Part, ...]) -> Part:
    return next((part for part in choice if part.logprobs), choice[0])


def _decoded(parts: list[object]) -> str:
    """The bytes of all tokens as text; what is no byte counts as none."""
    values = [byte for part in parts if isinstance(part, list) for byte in part]
    return bytes(byte for byte in values if isinstance(byte, int) and 0 <= byte < 256).decode(
        "utf-8", "replace"
    )


@rule(
    "params.logprobs-range",
    level="must",
    source=f"{_SOURCE}: logprob, the logarithm of a probability",
    breaks="Scores come out wrong: a probability above 1, or none where there is one.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def log_probabilities_are_negative(parts: Parts) -> Violations:
    """Every log probability, of tokens and of alternatives, is a number that is not above 0."""
    for part in parts:
        for step, entry in part.logprobs:
            likely = entry.get("top_logprobs")
            others = enumerate(likely) if isinstance(likely, list) else ()
            places = [(step, entry), *((f"{step}/top_logprobs/{i}", other) for i, other in others)]
            for place, said in places:
                value = said.get("logprob") if isinstance(said, dict) else None
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                if not (is_number and value <= _ROUNDING):
                    yield Violation(shown(value), "a number up to 0", *part.place(f"{place}/logprob"))


@rule(
    "params.logprobs-bytes",
    level="spec",
    source=f"{_SOURCE}: bytes, the UTF-8 bytes of the token or null",
    breaks="Programs that put characters together from the bytes of several tokens get others.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def the_bytes_are_those_of_the_token(parts: Parts) -> Violations:
    """The bytes of a token are its text in UTF-8; what is no whole character may be escaped."""
    for part in parts:
        for step, entry in part.logprobs:
            token, given = entry.get("token"), entry.get("bytes")
            is_whole = isinstance(token, str) and "\ufffd" not in token and not token.startswith("bytes:")
            if not (is_whole and isinstance(given, list)) or token == _escaped(given):
                continue
            if given != list(token.encode()):
                yield Violation(shown(given), shown(list(token.encode())), *part.place(f"{step}/bytes"))


def _escaped(given: list[Json]) -> str | None:
    """What OpenAI calls a token of these bytes, cut within a character or not; None if they are none."""
    octets = [one for one in given if isinstance(one, int) and 0 <= one <= 255]
    return bytes(octets).decode(errors="backslashreplace") if len(octets) == len(given) else None


@rule(
    "params.logprobs-counted",
    level="spec",
    source="OpenAI API reference, completion usage: completion_tokens",
    breaks="Costs and tokens per second come out wrong.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def there_are_no_more_entries_than_tokens(parts: Parts) -> Violations:
    """There are no more entries with log probabilities than completion tokens."""
    entries = sum(len(part.logprobs) for part in parts)
    done = parts.usage.get("completion_tokens")
    if isinstance(done, int) and entries > done:
        yield Violation(
            received=f"{entries} entries for {done} completion tokens",
            expected=f"at most {done}",
            pointer="/usage/completion_tokens",
        )


@rule(
    "params.logprobs-in-text-chunks",
    level="spec",
    source="recorded streams of OpenAI: the log probabilities of a chunk's text come in the same chunk",
    breaks="Programs that score while they read give a piece of text the scores of another.",
    when=_asks_for_logprobs,
    rests_on=OF_AN_ANSWER,
)
def log_probabilities_come_with_their_text(parts: Parts) -> Violations:
    """Log probabilities come beside the text that they score, and not in a part without text."""
    for part in parts:
        if (
            part.logprobs
            and not part.said.get("content")
            and any(entry.get("token") for _, entry in part.logprobs)
        ):
            yield Violation(
                f"{len(part.logprobs)} entries beside {shown(part.said.get('content'))}",
                "the text that they score",
                *part.place("/logprobs"),
            )


@rule(
    "params.logprobs-unasked",
    level="spec",
    source=f"{_SOURCE}: null or absent unless asked for",
    breaks="Nobody raises: but every answer is many times as long.",
    when=_asks_for_none,
    rests_on=OF_AN_ANSWER,
)
def log_probabilities_do_not_come_unasked(parts: Parts) -> Violations:
    """Nobody gets log probabilities who asks for none."""
    for part in parts:
        if part.logprobs:
            yield Violation(f"{len(part.logprobs)} entries", "null, or no key", *part.place("/logprobs"))
