"""What a library says of bytes that are not HTTP, in words that name what happened."""

import re

_PROTOCOL = (
    (r"illegal chunk (?:header|size|footer).*?bytearray\(b(.*)\)", r"a chunk size that is none: {}"),
    (r"illegal status line.*?bytearray\(b(.*)\)", r"a status line that is none: {}"),
    (r"illegal header line.*?bytearray\(b(.*)\)", r"a header line that is none: {}"),
    (r"illegal chunk.*|malformed chunk.*|bad chunk.*", "a chunk size that is none"),
    (r"bad Content-Length.*", "a Content-Length that is no number"),
    (r"conflicting Content-Length.*", "two lengths that differ"),
    (r"Receive buffer too long", "a line of the head, or of a chunk, without end"),
    (r"Only one Transfer-Encoding.*|.*[Tt]ransfer-[Ee]ncoding.*", "a Transfer-Encoding that is not chunked"),
    (r".*received (\d+) bytes, expected (\d+).*", "the connection ended after {} of {} bytes of the body"),
    (r".*incomplete chunked read.*", "the connection ended before the last chunk"),
    (r".*Server disconnected.*", "the connection ended before an answer began"),
    (r".*Connection reset.*", "the connection was reset"),
)
"""What the parser of HTTP libraries says of bytes that are not HTTP, and what is said of them here."""


def plain_words(said: str) -> str:
    """A message without the name of a type of Python's around the bytes that it quotes."""
    return re.sub(r"bytearray\(b(.*?)\)", r"\1", said, flags=re.DOTALL) if "bytearray" in said else said


def sentence_of(error: BaseException) -> str:
    """What happened, in words of its own: no value of Python's, no name of a library."""
    said = str(error) or type(error).__name__
    for pattern, sentence in _PROTOCOL:
        if match := re.fullmatch(pattern, said, re.DOTALL):
            return sentence.format(*match.groups())
    return plain_words(said)
