"""A record survives its line of JSON, whatever is in it."""

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from harness.load.record import Outcome, RequestRecord, decode, encode
from harness.load.record_log import append, path_of, read
from harness.scenario import Mode

_TIMES = st.integers(0, 2**53)
_OPTIONAL_TIMES = [
    field.name for field in fields(RequestRecord) if field.name.endswith("_ns") and field.default is None
]
_RECORDS = st.builds(
    RequestRecord,
    ordinal=st.integers(0, 2**40),
    client=st.sampled_from(["raw", "openai", "langchain"]),
    mode=st.sampled_from(Mode),
    due_ns=_TIMES,
    start_ns=_TIMES,
    outcome=st.sampled_from(Outcome),
    ended_ns=_TIMES,
    arrivals_ns=st.lists(_TIMES).map(tuple),
    detail=st.text(),
    clock=st.sampled_from(["kernel", "read"]),
    status=st.none() | st.integers(100, 599),
    deviations=st.none() | st.lists(st.text()).map(tuple),
    completion_tokens=st.none() | st.integers(0, 10**6),
    **{name: st.none() | _TIMES for name in _OPTIONAL_TIMES},
)


@given(_RECORDS)
def test_a_record_survives_its_line(record: RequestRecord) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1
    assert decode(line) == record


@given(st.lists(_RECORDS, min_size=2, max_size=4), st.integers(1, 200))
def test_a_file_that_was_cut_off_keeps_what_it_has(records: list[RequestRecord], missing: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = path_of(folder, 0)
        with path.open("wb") as file:
            for record in records[:-1]:
                append(file, encode(record))
            whole = file.tell()
            append(file, encode(records[-1]))
        path.write_bytes(path.read_bytes()[: max(whole, path.stat().st_size - missing)])
        assert list(read(folder)) == records[:-1]
