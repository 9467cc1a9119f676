"""docs/load.md and docs/distributed.md say what is there, and their examples are sound."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from harness.cli import app
from harness.errors import ConfigError, UsageError
from harness.load.arrivals import ClosedLoop, OpenLoop, parse_schedule
from harness.load.objectives import parse_objectives
from harness.load.search import parse_levels
from harness.load.workload import parse_workload, workloads

_DOCS = Path(__file__).parents[2] / "docs"
_LOAD = (_DOCS / "load.md").read_text(encoding="utf-8")
_DISTRIBUTED = (_DOCS / "distributed.md").read_text(encoding="utf-8")
_COMMANDS = re.findall(
    r"likewise load .*", _LOAD + _DISTRIBUTED + (_DOCS.parent / "README.md").read_text("utf-8")
)


def _table(heading: str) -> set[str]:
    """What the first cells of a table hold as code."""
    rows = _LOAD.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_every_workload_stands_in_the_table() -> None:
    assert _table("workload") == set(workloads())


def test_every_key_of_a_workload_stands_in_the_table() -> None:
    keys = _table("key")
    with pytest.raises(ConfigError) as raised:
        parse_workload("mine", "sentence = 'S.'\nuser = 'U.'\ncolour = 1\n")
    known = str(raised.value).split("one of the keys ", 1)[1].split(", found", 1)[0]
    assert keys == set(known.split(", "))


def test_every_figure_of_an_objective_stands_in_the_table() -> None:
    figures = _table("in an objective")
    with pytest.raises(UsageError) as raised:
        parse_objectives(["x<1%"])
    known = str(raised.value).split("There are ", 1)[1].split(".")[0]
    assert figures == set(known.split(", "))


def test_every_option_is_said() -> None:
    options = {
        option
        for parameter in get_command(app).commands["load"].params  # type: ignore[attr-defined]  # a group
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }
    assert options - set(re.findall(r"--[a-z-]+", _LOAD)) == {"--judge", "--no-color"}


@pytest.mark.parametrize(
    "text", re.findall(r"^\| `((?!trace)[a-z]+(?:\(\d\))?:[^`]+)` \|", _LOAD, re.MULTILINE)
)
def test_the_schedules_of_the_table_mean_something(text: str) -> None:
    assert isinstance(parse_schedule(text), OpenLoop | ClosedLoop)


def test_the_options_of_the_examples_mean_something() -> None:
    assert len(_COMMANDS) > 5
    for command in _COMMANDS:
        for text in re.findall(r"--arrivals \"?([^\s\"]+)", command):
            parse_schedule(text)
        for text in re.findall(r"--(?:slo|find-max) \"([^\"]+)\"", command):
            assert parse_objectives([text])
        for text in re.findall(r"--sweep (\S+)", command):
            assert len(parse_levels(text)) > 1


def test_the_options_of_the_examples_are_there() -> None:
    known = {option for parameter in get_command(app).commands["load"].params for option in parameter.opts}  # type: ignore[attr-defined]  # a group
    used = {option for command in _COMMANDS for option in re.findall(r"--[a-z-]+", command)}
    used |= set(re.findall(r"(?<=[\[ ])--[a-z-]+(?=[,\]])", _DISTRIBUTED))
    assert used - known == set()


def test_the_workload_of_the_page_is_sound() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", _LOAD, re.DOTALL)
    assert parse_workload("mine", text).objectives


def test_the_kubernetes_example_is_yaml_that_hangs_together() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", _DISTRIBUTED, re.DOTALL)
    service, master, workers = yaml.safe_load_all(text)
    assert service["spec"]["selector"]["job-name"] == master["metadata"]["name"]
    (told,) = workers["spec"]["template"]["spec"]["containers"]
    assert told["args"][-1] == service["metadata"]["name"]
    (asked,) = master["spec"]["template"]["spec"]["containers"]
    assert asked["args"][asked["args"].index("--master") + 1] == str(workers["spec"]["parallelism"])
