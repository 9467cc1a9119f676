"""Any JSON and any bytes go from the client to the last report, and nothing of it falls or is lost."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness import content
from harness.clients import Connection
from harness.evidence import NO_JSON, parsed, why_no_json
from harness.observe import Allowance, observer
from harness.plan import Call
from harness.scenario import Mode
from harness.verdict import Outcome
from harness.wire import json_text
from harness.wire.limits import JSON_LEVELS
from tests.hostile.behaviour import LIMITS
from tests.hostile.meeting import KEY, through, unfit
from tests.servers import head, says, server

_TEXT = st.text(st.characters(), max_size=12) | st.text('\ud83d\ude00\x00\x1b\u202ea\\"/', max_size=6)
"""Half pairs too, which `characters` gives as well as whole ones."""

_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT | st.integers(2**60, 2**90)
_JSON = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_KEYS = (
    *(
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "error",
        "index",
        "message",
        "delta",
        "content",
    ),
    *("tool_calls", "function", "arguments", "finish_reason", "role"),
)
_ANSWER = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=6),
    max_leaves=16,
)


@given(value=_JSON)
@example(value={"a": "\ud83d\ude00", "\ud83d\ude00": 1})
@example(value={"likewise/value": ["likewise/value", "nan"]})
@example(value=[float("nan"), float("inf"), 2**64, -(2**63) - 1])
def test_what_is_written_is_read_again_as_it_was(value: Any) -> None:
    again = json_text.read_written(json_text.write(value))
    assert repr(again) == repr(value)


@given(data=st.binary(max_size=64))
def test_any_bytes_are_json_or_are_not(data: bytes) -> None:
    value = parsed(data)
    assert (value is NO_JSON) == (why_no_json(data) != "JSON")
    assert json_text.levels_of(value) <= JSON_LEVELS


@given(value=_JSON)
def test_what_is_shown_can_be_written(value: Any) -> None:
    assert json_text.shown(value).encode()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(value=_ANSWER, is_streamed=st.booleans())
def test_any_json_reaches_every_report(value: Any, *, is_streamed: bool) -> None:
    body = json.dumps(value).encode()
    if is_streamed:
        _reaches(b"data: " + body + b"\n\ndata: [DONE]\n\n", "text/event-stream", Mode.STREAM)
    else:
        _reaches(body, "application/json", Mode.PLAIN)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.binary(max_size=200), is_streamed=st.booleans())
def test_any_bytes_reach_every_report(body: bytes, *, is_streamed: bool) -> None:
    _reaches(body, "text/event-stream" if is_streamed else "application/json", Mode("stream"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(raw=st.binary(max_size=200))
def test_any_bytes_in_the_place_of_http_reach_every_report(raw: bytes) -> None:
    _met(raw, Mode.PLAIN)


def _reaches(body: bytes, media_type: str, mode: Mode) -> None:
    _met(head(media_type=media_type) + body, mode)


def _met(raw: bytes, mode: Mode) -> None:
    scenario = content.scenarios()["founding"]
    with server(says(raw)) as base_url, TemporaryDirectory() as folder:
        connection = Connection(base_url, "standin", KEY, limits=LIMITS)
        with observer(connection, ["raw"], [KEY], Allowance(retries_each=0)) as opened:
            seen = opened.observe(Call(scenario, "raw", mode))
        told = through(seen, base_url, Path(folder))
    assert [one.reason for one in told.verdicts if one.outcome is Outcome.ERROR] == []
    assert not unfit(told.printed)
