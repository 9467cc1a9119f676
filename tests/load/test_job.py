"""A job comes to a worker as it was sent."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import msgpack
import pytest

from harness.access import Access, Variable
from harness.load.arrivals import Row, TraceReplay, arrivals
from harness.load.job import Job
from harness.target import Waiver
from harness.wire.way import Trust
from tests.load import runs


@pytest.mark.parametrize("trace", [None, [(0.0, 600, 5, (1, 2)), (0.5, 700, 6, ())]])
def test_it_goes_over_the_wire_and_back(trace: list[Row] | None) -> None:
    waivers = (
        Waiver("stream.says-something", "Ours.", expires=date(2999, 1, 1)),
        Waiver("chat.id", "Theirs."),
    )
    access = Access(
        headers={"X-Org": Variable("ORG_ID")}, query={"v": "1"}, trust=Trust(Path("ca.pem")), timeout_s=5
    )
    job = replace(runs.job("http://127.0.0.1:1/v1"), trace=trace, waivers=waivers, cap=3, access=access)
    job = replace(job, output_cap="max_completion_tokens")
    again = Job.from_json(msgpack.unpackb(msgpack.packb(job.to_json())))
    assert again == job
    assert "max_completion_tokens" in again.workload.request("run", 1, 0).params
    if trace is not None:
        assert isinstance(again.schedule, TraceReplay)
        assert [arrival.hash_ids for arrival in arrivals(again.schedule, 1, 9)] == [(1, 2), ()]
