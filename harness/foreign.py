"""Foreign clients: the programs that likewise.toml names, and what each says that it can express."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.clients import clients
from harness.clients.command import Command, Introduced, introduced
from harness.judge import is_for_every_client
from harness.report.text import plural
from harness.scenario import Mode, Scenario
from harness.target import FILE_NAME, root_table


def commands(config: Path | None) -> Mapping[str, Command]:
    """The commands that a file names, by the client's name; None looks for likewise.toml and may find none.

    Raises ConfigError at the first mistake.
    """
    root = root_table(config)
    if root is None:
        return {}
    folder = (config or Path(FILE_NAME)).absolute().parent
    tables = root.table("clients")
    found = {}
    for name in tables.values:
        table = tables.table(name)
        table.refuse_other_keys_than(["command"])
        if name in clients():
            raise tables.mistake(
                (name,), "a name that no client of likewise has", name, "Rename the client of your own."
            )
        found[name] = Command(table.words("command"), folder)
    return found


def introductions(known: Mapping[str, Command], names: Collection[str]) -> Mapping[str, Introduced]:
    """What those of these names that are programs say of themselves; each is started for that."""
    asked = [name for name in names if name in known]
    with ThreadPoolExecutor(max(1, len(asked))) as pool:
        return dict(zip(asked, pool.map(introduced, [known[name] for name in asked]), strict=True))


def told(
    programs: Mapping[str, Introduced],
    scenarios: Collection[Scenario],
    modes: Collection[Mode],
    *,
    is_full: bool,
) -> Iterator[str]:
    """What is to be said before anything is asked: which program failed, and what one can't express."""
    for name, program in programs.items():
        if program.failure:
            yield f"The client {name} did not say hello: {program.failure}."
            continue
        lacking = Counter(
            lacks
            for scenario in scenarios
            for mode in scenario.modes
            if mode in modes and is_for_every_client(scenario, is_full=is_full)
            if (lacks := program.expression.lacks(scenario.ask, mode))
        )
        if lacking:
            calls = plural(lacking.total(), "call")
            yield f"{name} is not asked what it can't express, {calls}: {', '.join(sorted(lacking))}."
