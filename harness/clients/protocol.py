"""What likewise and a program that is a client say to each other: one JSON object a line.

The program says `Hello` when it starts. Each `Question` on its stdin has one `Answer` on its stdout, in turn.
The JSON Schema is harness/schemas/published/command-client.json; the page is docs/command-clients.md.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from harness.clients.reply import Raised, Reply, ReplyChoice
from harness.clients.reply import ToolCall as ReplyCall
from harness.clients.reply import Usage as ReplyUsage
from harness.scenario import Mode, Operation

VERSION: Literal[1] = 1
_LONGEST_MESSAGE = 500


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Hello(_Line):
    """The first line of a program: which version of the protocol it speaks, and what it can express."""

    likewise: Annotated[Literal[1], Field(description="The version of this protocol.")]
    client: Annotated[str, Field(min_length=1, description="The library's name and version.")]
    operations: Annotated[
        dict[Operation, list[str] | Literal["any"]],
        Field(
            description="The operations that it can ask, each with the parameters that it can send, or "
            '"any". `stream` is the parameter of a client that can ask for a stream.'
        ),
    ]


class Question(_Line):
    """What a program is to ask, once and without trying again."""

    likewise: Annotated[Literal[1], Field(description="The version of this protocol.")]
    question: Annotated[int, Field(description="The number of the question, which its answer repeats.")]
    operation: Operation
    mode: Annotated[Mode, Field(description="One body, or a stream.")]
    model: Annotated[str, Field(description="The model to ask; none for the operation models.")]
    parameters: Annotated[
        dict[str, JsonValue],
        Field(description="The parameters of the request, without `model` and `stream`."),
    ]
    base_url: Annotated[str, Field(description="Where to ask; it is another one for each question.")]
    key_variable: Annotated[str, Field(description="The environment variable that holds the key to send.")]


class ToolCall(_Line):
    """A tool call as the user of the library got it."""

    id: JsonValue = None
    name: JsonValue = None
    arguments: Annotated[JsonValue, Field(description="JSON text; the input of a custom tool.")] = None


class Usage(_Line):
    """Token counts as the user of the library got them; what else stands there is not looked at."""

    model_config = ConfigDict(extra="ignore")

    prompt_tokens: JsonValue = None
    completion_tokens: JsonValue = None
    total_tokens: JsonValue = None


class RaisedException(_Line):
    """The exception that reached the user of the library."""

    type: Annotated[str, Field(description="Its class.")]
    message: str = ""
    status: Annotated[int | None, Field(description="The HTTP status that it carries.")] = None
    code: Annotated[str | None, Field(description="The code of the error object that it carries.")] = None


class Answer(_Line):
    """What the user of the library has in hand after one call; a value that the library did not give is null.

    Values keep the types that the library gave. After an exception in the middle of a stream stands what had
    come until then.
    """

    question: Annotated[int, Field(description="The number of the question.")]
    text: JsonValue = None
    refusal: JsonValue = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: Annotated[JsonValue, Field(description="For a response: its status.")] = None
    usage: Usage | None = None
    id: JsonValue = None
    model: JsonValue = None
    pieces: Annotated[int, Field(description="How many chunks a user of the stream saw.")] = 0
    data: Annotated[JsonValue, Field(description="Embedding vectors, or the ids of models.")] = None
    exception: RaisedException | None = None

    def reply(self) -> Reply:
        """The reply that this is; a text, a call or a finish reason makes a choice of it."""
        # What a library gives may have any type, and is judged as it is.
        choice: Any = {"text": self.text, "finish_reason": self.finish_reason, "refusal": self.refusal}
        calls = tuple(ReplyCall(**dict(call)) for call in self.tool_calls)
        has_choice = bool(calls) or any(value is not None for value in choice.values())
        usage: Any = None if self.usage is None else ReplyUsage(**dict(self.usage))
        told: Any = {"response_id": self.id, "model": self.model}
        return Reply(
            choices=(ReplyChoice(index=0, tool_calls=calls, **choice),) if has_choice else (),
            usage=usage,
            raised=None if self.exception is None else _raised(self.exception),
            pieces=self.pieces,
            data=self.data,
            printed=None,
            **told,
        )


def _raised(error: RaisedException) -> Raised:
    return Raised(error.type, error.message[:_LONGEST_MESSAGE], error.status, error.code)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a line, as it is published."""
    line: TypeAdapter[Any] = TypeAdapter(Hello | Question | Answer)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://likewise.dev/schemas/command-client.json",
        "description": "One line between likewise and a program that is a client.",
        **line.json_schema(),
    }
