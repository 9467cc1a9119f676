"""A load is put as the endpoint wants it: how caps are spelled, and what thoughts make of them."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.endpoint.server import running
from harness.endpoint.settings import Settings
from harness.errors import NothingJudgedError
from harness.load.clients import client_names
from harness.load.job import Job
from harness.load.probe import Probed, probe
from harness.load.workload import parse_workload
from harness.scenario import Mode
from tests.checking import fronts
from tests.checking.fronts import Asked, Front, Said, standing_before
from tests.load import runs
from tests.load.commands import LOCUST, ended, expected, load, records_of, start, told

_NOTE = "The endpoint refuses max_tokens: every request has max_completion_tokens in its place."
_UNCAPPED = "The endpoint refuses max_tokens and max_completion_tokens: no request has a cap"
_THINKING = "what is measured is thinking. Turn it off to measure answers, by --param enable_thinking=false"
_CAPS = ("max_tokens", "max_completion_tokens")
_AS = ("--model", fronts.MODEL, "--api-key-env", "LIKEWISE_FRONT_KEY")
_SHORT = ("--arrivals", "users:1", "--duration", "1.5")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIKEWISE_FRONT_KEY", fronts.KEY)


@contextmanager
def _noting(front: Front) -> Iterator[tuple[str, list[Asked]]]:
    """A front's base_url, and the bodies that it was asked with."""
    bodies: list[Asked] = []

    def noting(method: str, path: str, asked: Asked) -> Said:
        bodies.append(asked)
        return front(method, path, asked)

    with standing_before(noting) as base_url:
        yield base_url, bodies


def _caps(bodies: list[Asked]) -> list[list[str]]:
    return [[name for name in _CAPS if name in body] for body in bodies]


def test_plain_locust_asks_with_the_cap_that_the_endpoint_takes(tmp_path: Path) -> None:
    with _noting(fronts.refuses_max_tokens) as (base_url, bodies):
        options = ("--users", "2", "--run-time", "2", "--host", base_url, "--model", fronts.MODEL, "RawUser")
        code, _, err = ended(
            start(*options, "--api-key-env", "LIKEWISE_FRONT_KEY", cwd=tmp_path, command=LOCUST)
        )
    assert code == 0, err
    first, *others = _caps(bodies)
    assert first == ["max_tokens"]
    assert len(others) > 1
    assert all(caps == ["max_completion_tokens"] for caps in others)


def _refuses_every_cap(method: str, path: str, asked: Asked) -> Said:
    said = fronts.refuses_max_tokens(method, path, asked)
    return said if isinstance(said, bytes) else fronts.refuses_max_completion_tokens(method, path, asked)


@pytest.mark.parametrize(("client", "processes"), [*((name, 1) for name in client_names()), ("raw", 2)])
def test_every_request_has_the_cap_that_the_endpoint_takes(
    client: str, processes: int, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    asked = ("--arrivals", f"users:{processes}", "--duration", "1.5", "--clients", client)
    by = ("--processes", str(processes)) if processes > 1 else ()
    with _noting(fronts.refuses_max_tokens) as (base_url, bodies):
        code, out, err = load(base_url, folder, *asked, *by, *_AS)
    run = told(folder)
    assert (code, err) == (expected(folder, 0), "")
    assert [one["outcomes"].keys() for one in run["clients"]] == [{"ok"}]
    assert {record.worker for record in records_of(folder)} == set(range(processes))
    first, *rest = _caps(bodies)
    assert first == ["max_tokens"]
    assert rest == [["max_completion_tokens"]] * len(rest)
    assert {body["max_completion_tokens"] for body in bodies[1:]} == {64}
    assert (run["output_cap"], run["notes"]) == ("max_completion_tokens", [_NOTE])
    assert out.splitlines().count(_NOTE) == 1
    assert f"`{_NOTE}`" in (folder / "summary.md").read_text()


def test_where_the_endpoint_takes_no_cap_there_is_none_and_a_baseline_with_one_is_of_another_load(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "uncapped"
    with _noting(_refuses_every_cap) as (base_url, bodies):
        code, out, err = load(base_url, folder, *_SHORT, *_AS)
    assert (code, err) == (expected(folder, 0), "")
    assert _caps(bodies) == [["max_tokens"], ["max_completion_tokens"], *([[]] * (len(bodies) - 2))]
    assert told(folder)["output_cap"] == "none"
    assert _UNCAPPED in out
    with standing_before(lambda _method, _path, asked: asked) as base_url:
        baseline = ("--baseline", str(folder))
        code, _, err = load(base_url, tmp_path / "capped", *_SHORT, *_AS, *baseline)
    assert code == 2
    assert "answers without a cap there, with one here" in err
    assert not (tmp_path / "capped" / "load.json").exists()


def test_of_an_endpoint_that_takes_max_tokens_nothing_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with _noting(lambda _method, _path, asked: asked) as (base_url, bodies):
        load(base_url, folder, *_SHORT, *_AS, "--clients", "langchain")
    assert _caps(bodies) == [["max_tokens"]] * len(bodies)
    assert (told(folder)["output_cap"], told(folder)["notes"]) == ("max_tokens", [])


@pytest.mark.parametrize("client", client_names())
def test_a_refusal_that_is_about_no_cap_is_told_as_it_came_first(client: str) -> None:
    numbers = itertools.count(1)
    with _noting(lambda *_: fronts.refusal(f"No {next(numbers)}.")) as (base_url, bodies):
        said = _why_not(replace(runs.job(base_url), client=client))
    assert "HTTP 400: No 1." in said
    assert _caps(bodies) == [["max_tokens"], ["max_completion_tokens"], []]


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "500 Internal Server Error"])
def test_what_is_no_refusal_of_a_value_is_not_asked_again(status: str) -> None:
    with _noting(lambda *_: fronts.refusal("No.", status=status)) as (base_url, bodies):
        _why_not(runs.job(base_url))
    assert _caps(bodies) == [["max_tokens"]]


def test_a_refusal_of_a_request_without_a_cap_is_not_asked_again() -> None:
    source = "sentence = 'S.'\nuser = 'U.'\n"
    with _noting(lambda *_: fronts.refusal("No.")) as (base_url, bodies):
        _why_not(replace(runs.job(base_url), workload_source=source))
    assert _caps(bodies) == [[]]


def test_the_cap_of_a_trace_is_tried_before_its_load() -> None:
    source = "sentence = 'S.'\nuser = 'U.'\n"
    with _noting(fronts.refuses_max_tokens) as (base_url, bodies):
        job = replace(runs.job(base_url), workload_source=source, trace=[(0.0, 600, 5, ())])
        found = _probed(job, fronts.KEY)
    assert found == Probed("max_completion_tokens")
    assert [body.get("max_completion_tokens", body.get("max_tokens")) for body in bodies] == [5, 5]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("client", client_names())
def test_thoughts_that_eat_the_cap_are_noted_where_they_are_shown(client: str, mode: Mode) -> None:
    with running(Settings(faults=("thinking-shown-to-the-cap",))) as address:
        job = replace(runs.job(address.base_url), client=client, mode=mode)
        found = _probed(job, address.key)
    assert found == Probed("max_tokens", thinks_to_the_cap=True)


def test_a_load_of_thoughts_is_told_as_one_and_its_cap_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with running(Settings(faults=("thinking-shown-to-the-cap",))) as address:
        monkeypatch.setenv("LIKEWISE_FRONT_KEY", address.key)
        code, out, err = load(address.base_url, folder, *_SHORT, *_AS)
    assert (code, err) == (expected(folder, 0), "")
    (note,) = told(folder)["notes"]
    assert _THINKING in note
    assert note in out
    assert {record.completion_tokens for record in records_of(folder)} == {64}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("fault", ["thinking-hidden-to-the-cap", "thinking-refused-at-the-cap"])
def test_where_thoughts_leave_nothing_to_measure_there_is_no_load(fault: str, mode: Mode) -> None:
    with running(Settings(faults=(fault,))) as address:
        said = _why_not(replace(runs.job(address.base_url), mode=mode), address.key)
    assert "its model thinks before it answers" in said
    assert "--param enable_thinking=false" in said


def test_a_workload_that_spells_its_cap_itself_keeps_its_own() -> None:
    text = "sentence = 'S.'\nuser = 'U.'\noutput_tokens = 5\n[params]\nmax_completion_tokens = 9\n"
    workload = replace(parse_workload("mine", text), output_cap="max_completion_tokens")
    assert _capped(workload.request("run", 1, 0).params) == {"max_completion_tokens": 9}
    alone = parse_workload("mine", text.replace("output_tokens = 5\n", ""))
    assert _capped(alone.request("run", 1, 0).params) == {"max_completion_tokens": 9}


def _capped(params: object) -> dict[str, object]:
    assert isinstance(params, dict)
    return {name: params[name] for name in _CAPS if name in params}


def _probed(job: Job, key: str = "key") -> Probed:
    job = replace(job, model=fronts.MODEL)
    return probe(job, job.endpoint_target, runs.connection(job, key))


def _why_not(job: Job, key: str = "key") -> str:
    with pytest.raises(NothingJudgedError) as raised:
        _probed(job, key)
    return str(raised.value)
