"""A request that is refused: the status and the error object's four fields.

Source of the texts: OpenAI API reference, "Error codes", and answers that the API is publicly known to give.
"""

from collections.abc import Sequence

from harness.endpoint.answer import Headers, JsonObject

INVALID = "invalid_request_error"


class Refusal(Exception):  # noqa: N818  # it is an answer, and only to the client an error
    """Raised by whatever reads a request; the edge turns it into an error answer in the dialect's form."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        kind: str = INVALID,
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.status = status
        self.kind = kind
        self.headers = headers

    @property
    def error(self) -> JsonObject:
        """The error object: `message`, `type`, `param`, `code`."""
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}


class Unparsable(Refusal):
    """The body is not a JSON object."""


def unparsable() -> Unparsable:
    """The body is not a JSON object: not JSON, or with a key twice, or with NaN (RFC 8259)."""
    return Unparsable(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
        "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid "
        "JSON. If you have trouble figuring out how to fix this, please contact us through our help center "
        "at help.openai.com.)"
    )


def missing_key() -> Refusal:
    """No key came with the request."""
    return Refusal(
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        "Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) "
        "if you're accessing the API from your browser and are prompted for a username and password. You "
        "can obtain an API key from https://platform.openai.com/account/api-keys.",
        status=401,
    )


def wrong_key(key: str) -> Refusal:
    """A key that is not the one; all but its ends is hidden in the answer, as OpenAI does."""
    shown = key if len(key) <= 12 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"
    return Refusal(
        f"Incorrect API key provided: {shown}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
        status=401,
    )


def unknown_model(model: str) -> Refusal:
    """A model that is not served."""
    return Refusal(
        f"The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
        status=404,
    )


def unknown_url(method: str, path: str) -> Refusal:
    """A path that nothing is served at."""
    return Refusal(f"Invalid URL ({method} {path})", status=404)


def wrong_method(method: str, path: str, allowed: Sequence[str]) -> Refusal:
    """A method that the path does not take; `allowed` begins with the one that was probably meant."""
    hint = f"Perhaps you meant to make a {allowed[0]} request."
    return Refusal(
        f"Not allowed to {method} on {path}. (HINT: {hint})",
        status=405,
        headers=(("allow", ", ".join(allowed)),),
    )


def too_large(size_bytes: int, limit_bytes: int) -> Refusal:
    """A body above the size limit."""
    return Refusal(
        f"Maximum content size limit ({limit_bytes}) exceeded ({size_bytes} bytes read)", status=413
    )


def too_long(context: int, prompt: int, completion: int, param: str) -> Refusal:
    """More tokens than the model's context holds."""
    head = f"This model's maximum context length is {context} tokens. However, "
    asked = (
        f"you requested {prompt + completion} tokens ({prompt} in the messages, {completion} in the "
        "completion). Please reduce the length of the messages or completion."
        if completion
        else f"your messages resulted in {prompt} tokens. Please reduce the length of the messages."
    )
    return Refusal(head + asked, param=param, code="context_length_exceeded")
