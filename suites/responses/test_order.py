"""The order of a Responses stream: each rule is one defect of the table in `harness.stream_machine`."""

from harness.evidence.responses import ResponseStream
from harness.rule import Ground, Violations, rule
from harness.stream_machine import ResponseDefect, response_violations

_EVENTS = "OpenAI API reference, responses: streaming events"


@rule(
    "responses.created-first",
    level="must",
    source=f"{_EVENTS}: response.created; openai SDK, responses.stream()",
    breaks="The SDK's stream helper raises RuntimeError at another first event.",
)
def created_is_the_first_event(stream: ResponseStream) -> Violations:
    """The first event of a stream is `response.created`."""
    yield from response_violations(stream, ResponseDefect.NOT_CREATED_FIRST)


@rule(
    "responses.opened-once",
    level="spec",
    source=f"{_EVENTS}: response.created, response.in_progress",
    breaks="Stateful clients begin a second response, and lose the first.",
    rests_on=(Ground.SHAPE,),
)
def a_response_is_opened_once(stream: ResponseStream) -> Violations:
    """`response.created` and `response.in_progress` come once each."""
    yield from response_violations(stream, ResponseDefect.OPENED_AGAIN)


@rule(
    "responses.in-progress-first",
    level="recommended",
    source=f"{_EVENTS}: response.in_progress",
    breaks="Nobody that is known: OpenAI always sends it.",
)
def in_progress_comes_before_output(stream: ResponseStream) -> Violations:
    """`response.in_progress` comes before any output."""
    yield from response_violations(stream, ResponseDefect.NOT_IN_PROGRESS)


@rule(
    "responses.no-error-event",
    level="must",
    source=f"{_EVENTS}: error; openai/openai-python#3587",
    breaks="The SDK hands a flat error on as data, so that it looks like a normal end.",
    answers=("re-error-event-shape", "os-responses-error-flat"),
    upholds=Ground.READABLE,
)
def a_good_stream_has_no_error_event(stream: ResponseStream) -> Violations:
    """A stream has no `error` event."""
    yield from response_violations(stream, ResponseDefect.ERROR)


@rule(
    "responses.terminal-event",
    level="must",
    source=f"{_EVENTS}: response.completed, response.incomplete, response.failed",
    breaks="The SDK's helper raises: it has no final response; LangChain has no usage and no id.",
    answers=("re-done-terminal",),
    upholds=Ground.READABLE,
)
def a_terminal_event_ends_the_stream(stream: ResponseStream) -> Violations:
    """A stream ends with `response.completed`, `response.incomplete` or `response.failed`."""
    yield from response_violations(stream, ResponseDefect.TERMINAL_MISSING)


@rule(
    "responses.nothing-after-terminal",
    level="spec",
    source=f"{_EVENTS}: response.completed; router-for-me/CLIProxyAPI#3352",
    breaks="Clients that stop at the terminal event lose what follows; a second one is a second answer.",
    answers=("re-done-terminal",),
)
def nothing_follows_the_terminal_event(stream: ResponseStream) -> Violations:
    """No event but a `[DONE]` follows the terminal one."""
    yield from response_violations(stream, ResponseDefect.AFTER_TERMINAL)


@rule(
    "responses.item-added",
    level="must",
    source=f"{_EVENTS}: response.output_item.added",
    breaks="The SDK's helper raises IndexError: its snapshot has no such item.",
)
def an_item_is_added_first(stream: ResponseStream) -> Violations:
    """An item's `response.output_item.added` comes before its other events."""
    yield from response_violations(stream, ResponseDefect.ITEM_NOT_ADDED)


@rule(
    "responses.item-added-once",
    level="must",
    source=f"{_EVENTS}: response.output_item.added",
    breaks="The SDK's helper appends the item twice, and later events go to the wrong one.",
)
def an_item_is_added_once(stream: ResponseStream) -> Violations:
    """An item is added once."""
    yield from response_violations(stream, ResponseDefect.ITEM_ADDED_AGAIN)


@rule(
    "responses.item-done",
    level="spec",
    source=f"{_EVENTS}: response.output_item.done",
    breaks="Agents that act on whole items wait for a call that never comes.",
    upholds=Ground.SAID,
)
def every_item_is_done(stream: ResponseStream) -> Violations:
    """Every item of a completed response has its `response.output_item.done`."""
    yield from response_violations(stream, ResponseDefect.ITEM_NOT_DONE)


@rule(
    "responses.nothing-after-item-done",
    level="spec",
    source=f"{_EVENTS}: response.output_item.done",
    breaks="Agents that act on whole items lose what follows.",
)
def nothing_of_an_item_follows_its_end(stream: ResponseStream) -> Violations:
    """No event of an item follows its `response.output_item.done`."""
    yield from response_violations(stream, ResponseDefect.AFTER_ITEM_DONE)


@rule(
    "responses.part-added",
    level="must",
    source=f"{_EVENTS}: response.content_part.added; makecindy/cindy#4509",
    breaks="The SDK's helper raises IndexError; stateful clients drop the deltas.",
    answers=("re-part-without-text",),
)
def a_part_is_added_first(stream: ResponseStream) -> Violations:
    """A part's `response.content_part.added` comes before its text."""
    yield from response_violations(stream, ResponseDefect.PART_NOT_ADDED)


@rule(
    "responses.part-added-once",
    level="must",
    source=f"{_EVENTS}: response.content_part.added",
    breaks="The SDK's helper appends the part twice, so that the text is lost or doubled.",
)
def a_part_is_added_once(stream: ResponseStream) -> Violations:
    """A part is added once."""
    yield from response_violations(stream, ResponseDefect.PART_ADDED_AGAIN)


@rule(
    "responses.text-done",
    level="spec",
    source=f"{_EVENTS}: response.output_text.done, response.function_call_arguments.done",
    breaks="Clients that read the whole text, or a call's whole arguments, from that event have none.",
)
def every_text_is_done(stream: ResponseStream) -> Violations:
    """Every text, and the arguments of every call, have the event that ends them."""
    yield from response_violations(stream, ResponseDefect.TEXT_NOT_DONE)


@rule(
    "responses.nothing-after-text-done",
    level="spec",
    source=f"{_EVENTS}: response.output_text.done",
    breaks="Clients that read the whole text from that event lose what follows.",
)
def nothing_of_a_text_follows_its_end(stream: ResponseStream) -> Violations:
    """Nothing of a text follows the event that ends it."""
    yield from response_violations(stream, ResponseDefect.AFTER_TEXT_DONE)


@rule(
    "responses.part-done",
    level="spec",
    source=f"{_EVENTS}: response.content_part.done",
    breaks="Clients that read whole parts have none.",
)
def every_part_is_done(stream: ResponseStream) -> Violations:
    """Every part of a completed item has its `response.content_part.done`."""
    yield from response_violations(stream, ResponseDefect.PART_NOT_DONE)
