"""The events of a Responses stream: their bytes, their shape, and that they tell one story."""

from collections import Counter
from collections.abc import Iterator

from harness.evidence import NotJudgedError, parsed, shown
from harness.evidence.grounds import OF_AN_ANSWER
from harness.evidence.responses import CALLS, DONE, TERMINAL, ResponseEvent, ResponseStream, item_text
from harness.rule import Ground, Level, Violation, Violations, rule, shape
from harness.schemas import violations
from harness.wire.sse import BOM

_EVENTS = "OpenAI API reference, responses: streaming events"
_SSE = "WHATWG HTML, 9.2 server-sent events"


def _in(event: ResponseEvent, pointer: str, *, received: str, expected: str) -> Violation:
    return Violation(received, expected, pointer, event.number, event.span)


def _schema(stream: ResponseStream, level: Level) -> Violations:
    for event in stream.events:
        for found in violations("response_event", event.body, level):
            if found.level == level:
                yield _in(event, found.pointer, received=found.received, expected=found.expected)


@rule(
    "responses.event-schema-must",
    level="must",
    source=f"{_EVENTS}; the required fields of the openai SDK's types",
    breaks="A client raises, loses data without a word, or hands on a wrong value.",
    answers=(
        "re-missing-seqnum",
        "re-completed-output-empty",
        "os-responses-null-output",
        "re-part-without-text",
        "re-missing-response-fields",
    ),
    upholds=shape,
)
def every_event_has_what_clients_need(stream: ResponseStream) -> Violations:
    """Every event has the fields that clients need, in the right type."""
    yield from _schema(stream, "must")


@rule(
    "responses.event-schema-spec",
    level="spec",
    source=f"{_EVENTS}; openai/openai-openapi ResponseStreamEvent, corrected by recorded streams",
    breaks="Clients with strict types refuse the event.",
    answers=("re-missing-response-fields", "re-incomplete-reason", "re-error-event-shape"),
    upholds=shape,
)
def every_event_is_as_openai_documents_it(stream: ResponseStream) -> Violations:
    """Every event has the fields and types that OpenAI documents."""
    yield from _schema(stream, "spec")


@rule(
    "responses.event-schema-recommended",
    level="recommended",
    source="examples of the OpenAI API reference",
    breaks="Nobody that is known: OpenAI always sends it.",
    upholds=shape,
)
def every_event_has_what_openai_always_sends(stream: ResponseStream) -> Violations:
    """Every event has the optional fields that OpenAI always sends."""
    yield from _schema(stream, "recommended")


@rule(
    "responses.json-payloads",
    level="must",
    source=f"{_EVENTS}; automazeio/vibeproxy#315",
    breaks="Every client raises JSONDecodeError and loses the rest of the answer.",
    upholds=Ground.READABLE,
)
def the_data_of_every_event_is_an_object(stream: ResponseStream) -> Violations:
    """The data of every event is one JSON object, or `[DONE]`."""
    for number, frame in enumerate(stream.frames):
        if frame.data and frame.data != DONE and not isinstance(parsed(frame.data.encode()), dict):
            yield Violation(
                received=shown(frame.data),
                expected="a JSON object",
                event=number,
                span=(frame.start, frame.end),
            )


@rule(
    "responses.no-empty-event",
    level="must",
    source="router-for-me/CLIProxyAPI#3352; the openai SDK dispatches an event with a name or an id alone",
    breaks="The SDK and LangChain raise JSONDecodeError.",
    answers=("re-done-terminal", "sf-empty-data-event"),
    upholds=Ground.READABLE,
)
def no_event_comes_without_data(stream: ResponseStream) -> Violations:
    """No event has empty data, or a name without data, and no bare blank line follows an `id:`."""
    has_id = False
    for number, frame in enumerate(stream.frames):
        has_id = has_id or frame.id is not None
        is_bare = frame.data is None and not frame.comments
        if frame.data == "" or (is_bare and (has_id or frame.name is not None)):
            yield Violation(
                received="an event without data",
                expected="data, or no event",
                event=number,
                span=(frame.start, frame.end),
            )


@rule(
    "responses.last-event-ended",
    level="must",
    source=f"{_SSE}.6",
    breaks="Conforming readers drop the last event, which is the whole response.",
    upholds=Ground.READABLE,
)
def the_last_event_ends_with_a_blank_line(stream: ResponseStream) -> Violations:
    """The last event ends with a blank line."""
    last = stream.frames[-1]
    if not last.ended:
        yield Violation(
            received=shown(last.lines[-1].raw),
            expected="a blank line at the end",
            event=len(stream.frames) - 1,
            span=(last.start, last.end),
        )


@rule(
    "responses.no-bom",
    level="must",
    source=f"{_SSE}.5; seen with openai 3.54: the first event is lost",
    breaks="The SDK and LangChain lose the first event without a word.",
)
def a_stream_of_events_has_no_bom(stream: ResponseStream) -> Violations:
    """A stream does not start with a byte order mark."""
    if stream.observation.response.body.startswith(BOM):
        yield Violation(received="ef bb bf", expected="the first field", span=(0, len(BOM)))


@rule(
    "responses.event-name",
    level="spec",
    source=f"{_EVENTS}: the event field is the event's type",
    breaks="Readers that go by the name take the event for another one; the SDK goes by the type.",
)
def the_name_of_an_event_is_its_type(stream: ResponseStream) -> Violations:
    """An event that has a name has its type as name."""
    for event in stream.events:
        if event.event.name is not None and event.event.name != event.body.get("type"):
            yield _in(
                event,
                "/type",
                received=f"{shown(event.body.get('type'))} in an event named {event.event.name}",
                expected=f'"{event.event.name}"',
            )


@rule(
    "responses.event-named",
    level="recommended",
    source=f"{_EVENTS}: every example has an event field",
    breaks="Browsers' EventSource and readers that go by the name see no event.",
    rests_on=(Ground.SHAPE,),
)
def every_event_has_a_name(stream: ResponseStream) -> Violations:
    """Every event has an `event:` line."""
    for event in stream.events:
        if event.event.name is None:
            yield _in(event, "/type", received="no event: line", expected=f"event: {event.type}")


@rule(
    "responses.sequence-numbers",
    level="spec",
    source=f"{_EVENTS}: sequence_number; ggml-org/llama.cpp#24957",
    breaks="A stream that broke off cannot be taken up again; strict clients report lost events.",
    answers=("re-missing-seqnum",),
    rests_on=(Ground.SHAPE,),
)
def events_are_numbered_in_a_row(stream: ResponseStream) -> Violations:
    """Sequence numbers start at 0 or 1 and rise by 1."""
    expected = None
    for event in stream.events:
        number = event.body.get("sequence_number")
        wanted = (0, 1) if expected is None else (expected,)
        if number not in wanted or isinstance(number, bool):
            yield _in(
                event,
                "/sequence_number",
                received=shown(number),
                expected=" or ".join(map(str, wanted)),
            )
            return
        expected = number + 1


@rule(
    "responses.same-id",
    level="spec",
    source="OpenAI API reference, the response object: id",
    breaks="Callers look for the response under an id that does not exist.",
)
def all_snapshots_have_one_id(stream: ResponseStream) -> Violations:
    """All events of a stream carry the same response: one id, one model."""
    yield from _same(stream, "id", "model")


@rule(
    "responses.same-created",
    level="recommended",
    source="OpenAI API reference, the response object: created_at",
    breaks="Nobody that is known: OpenAI always sends the same.",
)
def all_snapshots_have_one_time(stream: ResponseStream) -> Violations:
    """All events of a stream carry the same created_at."""
    yield from _same(stream, "created_at")


def _same(stream: ResponseStream, *keys: str) -> Violations:
    for key in keys:
        first = None
        for event in stream.snapshots:
            value = event.part("response").get(key)
            first = value if first is None else first
            if value != first:
                yield _in(
                    event, f"/response/{key}", received=shown(value), expected=f"{shown(first)}, as before"
                )


@rule(
    "responses.item-ids",
    level="must",
    source=f"{_EVENTS}: item_id; vercel/ai#18548",
    breaks="Stateful clients cannot tell which item a delta belongs to, and drop it.",
    answers=("re-item-id-rotates",),
)
def an_item_keeps_its_id(stream: ResponseStream) -> Violations:
    """An item has the same id in every event, from its beginning to the final response."""
    ids: dict[str, object] = {}
    for event, place, pointer, value in _item_ids(stream):
        known = ids.setdefault(place, value)
        if value != known:
            yield _in(event, pointer, received=shown(value), expected=f"{shown(known)}, as before")


def _item_ids(stream: ResponseStream) -> Iterator[tuple[ResponseEvent, str, str, object]]:
    """Event, place of the item, JSON pointer and value of every id that an item is given."""
    for event in stream.events:
        item = event.part("item")
        if item.get("id") is not None:
            yield event, event.item_place, "/item/id", item["id"]
        if event.body.get("item_id") is not None:
            yield event, event.item_place, "/item_id", event.body["item_id"]
        output = event.part("response").get("output")
        if event.type in TERMINAL and isinstance(output, list):
            for index, item in enumerate(output):
                if isinstance(item, dict) and item.get("id") is not None:
                    yield event, repr(index), f"/response/output/{index}/id", item["id"]


@rule(
    "responses.item-places",
    level="must",
    source=f"{_EVENTS}: output_index",
    breaks="The SDK's helper, which finds items by their place, raises IndexError or mixes them up.",
    upholds=Ground.CHOICES,
    rests_on=(Ground.SHAPE,),
)
def items_are_added_in_their_places(stream: ResponseStream) -> Violations:
    """Items are added at the places 0, 1, 2 and so on of the output."""
    for place, event in enumerate(stream.of_type("response.output_item.added")):
        if event.body.get("output_index") != place:
            yield _in(
                event,
                "/output_index",
                received=shown(event.body.get("output_index")),
                expected=str(place),
            )


@rule(
    "responses.part-places",
    level="must",
    source=f"{_EVENTS}: content_index; vllm-project/vllm#45742",
    breaks="The SDK's helper, which finds parts by their place, raises IndexError or mixes them up.",
    rests_on=OF_AN_ANSWER,
)
def parts_are_added_in_their_places(stream: ResponseStream) -> Violations:
    """The parts of each item are added at the places 0, 1, 2 and so on of its content."""
    added: Counter[str] = Counter()
    for event in stream.of_type("response.content_part.added"):
        place = added[event.item_place]
        added[event.item_place] += 1
        if event.body.get("content_index") != place:
            yield _in(
                event,
                "/content_index",
                received=shown(event.body.get("content_index")),
                expected=str(place),
            )


@rule(
    "responses.text-is-deltas",
    level="must",
    source=f"{_EVENTS}: response.output_text.done",
    breaks="Users of the deltas read another text than users of the whole.",
    upholds=Ground.SAID,
)
def the_deltas_make_the_text(stream: ResponseStream) -> Violations:
    """The text, refusal, arguments or input at the end of a part are its deltas put together."""
    for kind, key in (
        ("response.output_text", "text"),
        ("response.refusal", "refusal"),
        ("response.function_call_arguments", "arguments"),
        ("response.custom_tool_call_input", "input"),
    ):
        told = stream.joined(f"{kind}.delta")
        for event in stream.of_type(f"{kind}.done"):
            yield from _same_text(event, f"/{key}", event.text(key), told.get(event.text_place, ""))


@rule(
    "responses.part-is-deltas",
    level="spec",
    source=f"{_EVENTS}: response.content_part.done",
    breaks="Users of the deltas read another text than users of the parts.",
    rests_on=(
        Ground.SHAPE,
        Ground.SAID,
    ),
)
def the_part_has_the_text(stream: ResponseStream) -> Violations:
    """A part at its end holds the text that its deltas made."""
    told = stream.joined("response.output_text.delta")
    for event in stream.of_type("response.content_part.done"):
        part = event.part("part")
        if part.get("type") == "output_text":
            yield from _same_text(event, "/part/text", part.get("text"), told.get(event.text_place, ""))


@rule(
    "responses.item-is-deltas",
    level="must",
    source=f"{_EVENTS}: response.output_item.done",
    breaks="Agents that act on whole items see another text, or other arguments, than were streamed.",
    rests_on=(
        Ground.SHAPE,
        Ground.SAID,
    ),
)
def the_item_has_the_text(stream: ResponseStream) -> Violations:
    """An item at its end holds the text or the arguments that its deltas made."""
    for event in stream.of_type("response.output_item.done"):
        item, place = event.part("item"), event.item_place
        if item.get("type") == "message":
            yield from _same_text(event, "/item/content", item_text(item), _told(stream, place))
        elif item.get("type") in CALLS:
            key = CALLS[item["type"]]
            told = _told(stream, place, *_CALL_DELTAS)
            yield from _same_text(event, f"/item/{key}", item.get(key), told)


_CALL_DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")


def _was_told(stream: ResponseStream) -> bool:
    """Whether any output was streamed; where none was, `responses.streamed-before-final` says so."""
    return any("output_index" in event.body for event in stream.events)


@rule(
    "responses.streamed-before-final",
    level="must",
    source=f"{_EVENTS}; BerriAI/litellm#21090",
    breaks="Users of the deltas read nothing; the SDK's helper has no items, and LangChain no text.",
    rests_on=OF_AN_ANSWER,
)
def what_the_final_response_holds_was_streamed(stream: ResponseStream) -> Violations:
    """What the final response holds was streamed before, in events of its own."""
    last = stream.last
    output = last.part("response").get("output")
    if output and not _was_told(stream):
        yield _in(
            last,
            "/response/output",
            received=f"{shown(output)}, and no event before it that has any of it",
            expected="response.output_item.added, the deltas and response.output_item.done before it",
        )


@rule(
    "responses.response-is-deltas",
    level="must",
    source=f"{_EVENTS}: response.completed; QuantumNous/new-api#4362",
    breaks="The SDK's and LangChain's final message, which is made of it, is empty or another one.",
    answers=("re-completed-output-empty", "os-responses-null-output"),
    upholds=Ground.CHOICES,
    rests_on=(Ground.SHAPE,),
)
def the_final_response_has_the_text(stream: ResponseStream) -> Violations:
    """The final response holds the text that the deltas made."""
    last = stream.last
    if not _was_told(stream):
        raise NotJudgedError("no output was streamed")
    told = "".join(event.text("delta") for event in stream.of_type("response.output_text.delta"))
    output = last.part("response").get("output")
    items = output if isinstance(output, list) else []
    whole = "".join(item_text(item) for item in items if isinstance(item, dict))
    yield from _same_text(last, "/response/output", whole, told)


@rule(
    "responses.calls-in-response",
    level="must",
    source=f"{_EVENTS}: response.completed",
    breaks="An agent that reads the final response runs other calls than were streamed, or none.",
    answers=("re-completed-output-empty",),
    rests_on=OF_AN_ANSWER,
)
def the_final_response_has_the_items(stream: ResponseStream) -> Violations:
    """The final response holds the items that were done, in their places, with what was streamed of calls."""
    last = stream.last
    output = last.part("response").get("output")
    items = output if isinstance(output, list) else []
    if not _was_told(stream):
        raise NotJudgedError("no output was streamed")
    for place, item in enumerate(items):
        key = CALLS.get(item.get("type")) if isinstance(item, dict) else None
        told = _told(stream, repr(place), *_CALL_DELTAS)
        if key and told:
            yield from _same_text(last, f"/response/output/{place}/{key}", item.get(key), told)
    kinds = [item.get("type") for item in items if isinstance(item, dict)]
    ends = sorted(stream.of_type("response.output_item.done"), key=_place)
    done = [event.part("item").get("type") for event in ends]
    if kinds != done and last.type == "response.completed":
        yield _in(last, "/response/output", received=shown(kinds), expected=f"{shown(done)}, as streamed")


def _place(event: ResponseEvent) -> int:
    place = event.body.get("output_index")
    return place if isinstance(place, int) else 0


def _told(stream: ResponseStream, place: str, *kinds: str) -> str:
    """The deltas of an item put together: those of its texts, or of these kinds."""
    events = stream.of_type(*(kinds or ("response.output_text.delta",)))
    return "".join(event.text("delta") for event in events if event.item_place == place)


def _same_text(event: ResponseEvent, pointer: str, whole: object, told: str) -> Violations:
    if whole != told:
        yield _in(event, pointer, received=shown(whole), expected=f"{shown(told)}, as the deltas make it")


@rule(
    "responses.terminal-status",
    level="must",
    source=f"{_EVENTS}: response.completed, response.incomplete, response.failed",
    breaks="Clients that go by the status take a cut or failed response for a whole one, or the reverse.",
    upholds=Ground.ENDED,
)
def the_terminal_event_says_the_status(stream: ResponseStream) -> Violations:
    """The terminal event is named after the status of the response that it carries."""
    for event in stream.of_type(*TERMINAL):
        status = event.part("response").get("status")
        if f"response.{status}" != event.type:
            yield _in(
                event,
                "/response/status",
                received=shown(status),
                expected=shown(event.type.removeprefix("response.")),
            )
