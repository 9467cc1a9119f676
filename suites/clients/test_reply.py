"""What each client tells its user is what was on the wire. A difference says which of the two lost it."""

import json
from collections.abc import Iterator

from harness.clients.reply import Reply
from harness.evidence import NotJudgedError, Observation, Refusal, parsed, shown
from harness.evidence.chat import DONE, Answer, ChunkStream, Completion, Parts
from harness.evidence.grounds import OF_A_USER
from harness.evidence.responses import is_ended_out_of_sight
from harness.rule import Violation, Violations, rule
from harness.scenario import Ask, Mode, Operation, Scenario
from harness.schemas import violations

_FOUNDING = "the founding page's own calls: keep your code, change api_key, base_url and model"

_EXCEPTIONS = {
    400: "BadRequest",
    401: "Authentication",
    403: "PermissionDenied",
    404: "NotFound",
    409: "Conflict",
    422: "UnprocessableEntity",
    429: "RateLimit",
    500: "InternalServer",
}
"""The exception classes of the openai SDK by status."""


_BY_DESIGN = ("openai.LengthFinishReasonError", "openai.ContentFilterFinishReasonError")
"""What the SDK's `parse` raises where the finish reason on the wire says that the document is not whole."""
_SCHEMAS: tuple[tuple[Operation, str, str], ...] = (
    ("chat", "chat_completion", "chat_completion_chunk"),
    ("completions", "completion", "completion_chunk"),
    ("responses", "response", "response_event"),
    ("embeddings", "embeddings", ""),
    ("models", "model_list", ""),
)
"""The schemas of what each operation answers, plain and streamed."""
_INCOMPLETE = b"response.incomplete"
"""The end of a cut response, at which the SDK's helper for streams raises that it was not completed."""


def _is_answered(scenario: Scenario) -> bool:
    return scenario.is_answered


def _is_quick_start(scenario: Scenario) -> bool:
    return scenario.is_quick_start


@rule(
    "client.no-exception",
    level="must",
    source=_FOUNDING,
    breaks="The program stops.",
    when=_is_answered,
    rests_on=OF_A_USER,
)
def the_user_gets_no_exception(observation: Observation) -> Violations:
    """The client's user gets an answer and no exception."""
    raised = observation.reply.raised
    if raised is not None and raised.type in _BY_DESIGN:
        raise NotJudgedError(
            "the cap or a filter cut the document, for which the SDK's helper raises by design"
        )
    if raised is not None and "response.completed" in raised.message and _INCOMPLETE in _body(observation):
        raise NotJudgedError("the cap cut the response, for which the SDK's helper raises by design")
    if raised is not None and 200 <= observation.response.status < 300:
        if _is_helped(observation.scenario) and _is_withheld(observation):
            raise NotJudgedError(
                "the model refused, or a filter ended the answer: the helper has no document"
            )
        if raised.in_reading and _has_what_clients_need(observation):
            raise NotJudgedError(
                f"likewise itself could not read this answer, which has what clients need: {raised.type}: "
                f"{raised.message}; please report it"
            )
        if observation.client.startswith("langchain") and _calls_a_custom_tool(observation):
            raise NotJudgedError(
                f"LangChain has no custom tools in chat, OpenAI's own neither: {raised.type}"
            )
        if is_ended_out_of_sight(observation):
            raise NotJudgedError(f"the response ended in the background, which {observation.client} raises")
        yield Violation(received=f"{raised.type}: {shown(raised.message)}", expected="an answer")


def _is_helped(scenario: Scenario) -> bool:
    return isinstance(scenario.ask, Ask) and bool(scenario.ask.helper)


def _is_withheld(observation: Observation) -> bool:
    return Answer.applies(observation.scenario) and Answer.of(observation).is_withheld


def _has_what_clients_need(observation: Observation) -> bool:
    """Whether everything that the answer says is right at level must."""
    return all(
        isinstance(value, dict) and not any(one.level == "must" for one in violations(kind, value, "must"))
        for kind, value in _told(observation)
    )


def _told(observation: Observation) -> Iterator[tuple[str, object]]:
    """Each object of an answer, with the schema that it is of."""
    scenario, is_stream = observation.scenario, observation.mode is Mode.STREAM
    for operation, plain, streamed in _SCHEMAS:
        if not scenario.is_answered_by(operation):
            continue
        if not is_stream:
            yield plain, observation.json
            continue
        yield from (
            (streamed, parsed(event.data.encode()))
            for event in ChunkStream.of(observation).events
            if event.data and event.data != DONE
        )


def _calls_a_custom_tool(observation: Observation) -> bool:
    if not Completion.applies(observation.scenario):
        return False
    return any(call.get("type") == "custom" for part in Parts.of(observation) for _, call in part.calls)


def _body(observation: Observation) -> bytes:
    response = observation.exchange.response
    return b"" if response is None else response.body


@rule(
    "client.has-text",
    level="must",
    source=_FOUNDING,
    breaks="The user has an empty answer and no error.",
    when=_is_quick_start,
    rests_on=OF_A_USER,
)
def the_user_gets_a_text(observation: Observation) -> Violations:
    """The founding question gives the client's user a text and a finish reason."""
    if not 200 <= observation.response.status < 300 or observation.reply.raised:
        return
    if _is_withheld(observation):
        raise NotJudgedError("the model refused, or a filter ended the answer")
    if not observation.reply.text:
        yield Violation(received=shown(observation.reply.text), expected="a text")
    if not observation.reply.finish_reason:
        yield Violation(received=shown(observation.reply.finish_reason), expected="a finish reason")


@rule(
    "client.same-text",
    level="must",
    source="mistakes of stream readers: U+2028, split UTF-8, a lost first or last event",
    breaks="The user reads another text than was sent.",
    rests_on=OF_A_USER,
)
def the_user_reads_the_text_of_the_wire(answer: Answer) -> Violations:
    """The text that the client's user reads is the text on the wire."""
    if answer.observation.reply.raised or not answer.choices:
        return
    wire, told = answer.choices[0].text or "", answer.observation.reply.text or ""
    if wire != told:
        yield Violation(received=f"{shown(told)} at the user", expected=f"{shown(wire)}, as on the wire")


@rule(
    "client.same-finish-reason",
    level="must",
    source="langchain-ai/langchain#7296",
    breaks="The user cannot tell a whole answer from a cut one.",
    rests_on=OF_A_USER,
)
def the_user_gets_the_finish_reason_of_the_wire(answer: Answer) -> Violations:
    """The finish reason that the client's user gets is the one on the wire."""
    if answer.observation.reply.raised or not answer.choices:
        return
    wire, told = answer.choices[0].finish_reason, answer.observation.reply.finish_reason
    if wire is not None and wire != told:
        yield Violation(received=f"{shown(told)} at the user", expected=f"{shown(wire)}, as on the wire")


@rule(
    "client.same-usage",
    level="must",
    source="langchain-ai/langchain#30429; ollama/ollama#4448",
    breaks="Costs come out wrong or not at all.",
    rests_on=OF_A_USER,
)
def the_user_gets_the_usage_of_the_wire(answer: Answer) -> Violations:
    """The token counts that the client's user gets are those on the wire."""
    if answer.observation.reply.raised or answer.usage is None:
        return
    for part in ("prompt", "completion", "total"):
        wire, told = answer.usage.get(f"{part}_tokens"), _count(answer.observation.reply, part)
        if wire != told:
            yield Violation(
                received=f"{shown(told)} {part} tokens at the user", expected=f"{shown(wire)}, as on the wire"
            )


def _count(reply: Reply, part: str) -> object:
    return None if reply.usage is None else getattr(reply.usage, f"{part}_tokens")


@rule(
    "client.founding-print",
    level="must",
    source=_FOUNDING,
    breaks="The founding page's program prints something else than the answer.",
    when=_is_quick_start,
    rests_on=OF_A_USER,
)
def the_founding_program_prints_the_answer(answer: Answer) -> Violations:
    """What the founding page's program prints is JSON that holds the answer's text."""
    reply = answer.observation.reply
    if reply.raised or not isinstance(reply.text, str) or not reply.text:
        return
    if reply.printed is None:
        raise NotJudgedError(f"{answer.observation.client} is no program of the founding page")
    printed = "".join(_strings(json.loads(line)) for line in reply.printed)
    wanted = reply.text if answer.observation.mode is Mode.PLAIN else ""
    if not reply.printed or wanted not in printed:
        yield Violation(received=shown(reply.printed), expected=f"JSON with the text {shown(reply.text)}")


def _strings(value: object) -> str:
    if isinstance(value, dict):
        return "".join(map(_strings, value.values()))
    if isinstance(value, list):
        return "".join(map(_strings, value))
    return value if isinstance(value, str) else ""


@rule(
    "client.raises-by-status",
    level="must",
    source="openai SDK, handling errors: one exception class per status",
    breaks="`except openai.BadRequestError` does not catch the refusal.",
)
def a_refusal_raises_by_its_status(refusal: Refusal) -> Violations:
    """A refusal reaches the client's user as an exception with the HTTP status."""
    seen = refusal.observation
    raised, status = seen.reply.raised, seen.response.status
    if raised is None:
        yield Violation(received="no exception", expected=f"an exception for HTTP {status}")
    elif raised.status != status:
        yield Violation(received=f"{raised.type} with status {raised.status}", expected=f"status {status}")
    elif seen.client.removesuffix("-async") == "openai" and _EXCEPTIONS.get(status, "") not in raised.type:
        yield Violation(received=raised.type, expected=f"openai.{_EXCEPTIONS[status]}Error")
