"""The reference endpoint: an OpenAI-compatible HTTP server that does what the documents say, every time.

It is the thing that the judging side is proved against: whatever a rule says of it beyond "holds" is a
mistake of the rule, or of this server, and either is worth knowing. So it shares no code with what judges
it, and builds every byte itself.

It is not a language model. Behind it stands a stand-in that follows the few plain instructions a
conformance suite uses (repeat this, count to that, call this tool, fill that schema) and that says of
itself what it is. The same request always gets the same words; only ids and times differ.

It speaks two dialects, `openai` and `dashscope`, which differ as data and small functions
(`harness.endpoint.dialects`), never in the middle of a handler.

The way of an answer, each stage a value that the next one reads:

    request -> Answer (objects) -> dialect -> Answer -> encode -> Wire (bytes and pauses) -> the socket

`harness.endpoint.answer` holds the first stages and `harness.endpoint.server` the last.
"""
