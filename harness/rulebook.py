"""The rulebook: what the suites hold endpoints to, as Markdown pages made from the rules themselves.

`python -m harness.rulebook` writes them into docs/ of the working folder.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from harness import content, proof, report, run
from harness.clients import DEFAULT_CLIENTS, lacks_of_clients, protocol
from harness.deviations import DAMAGES, Deviation, Ledger, ledger
from harness.dialect import Difference, dialects, differences_of
from harness.endpoint.faults import faults
from harness.endpoint.variations import variations
from harness.load import load_run
from harness.rule import LEVELS, Rule
from harness.scenario import PATHS, Ask, FollowUp, Http, Scenario
from harness.stream_machine import CHAT, RESPONSES, ChatDefect, ResponseDefect, defect_name, markdown
from harness.target import CAPABILITIES, presets

_GENERATED = "<!-- Made by `make docs` from the suites; edit those. -->"
_THREAD = re.compile(r"\b([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)#(\d+)")


def pages() -> Mapping[str, str]:
    """The text of every page by its file name."""
    rules = tuple(content.rules().values())
    scenarios = tuple(content.scenarios().values())
    return {
        "rules.md": _page(_rules_page(rules)),
        "scenarios.md": _page(_scenarios_page(scenarios)),
        "dialects.md": _page(_dialects_page()),
        "deviations.md": _page(_deviations_page(ledger(), rules)),
        "streams.md": _page(_streams_page()),
        "proof.md": _page(_proof_page(ledger())),
    }


def published_schemas() -> Mapping[str, dict[str, Any]]:
    """The JSON Schema of each JSON that a run may hold, or that programs exchange, by the file's name."""
    formats = {chosen.FILENAME: chosen for chosen in report.formats().values()}
    made = {name: chosen.json_schema() for name, chosen in formats.items() if hasattr(chosen, "json_schema")}
    own = {"run.json": run, "load.json": load_run, "proof.json": proof, "command-client.json": protocol}
    return {name: module.json_schema() for name, module in own.items()} | {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"https://likewise.dev/schemas/{name}",
            **schema,
        }
        for name, schema in made.items()
    }


def publish_schemas(folder: Path) -> None:
    """Write them into a folder."""
    for name, schema in published_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def _rules_page(rules: Sequence[Rule]) -> Iterator[str]:
    yield "# Rules"
    yield (
        "Each rule is one thing that must hold. [Verdicts](verdicts.md) says what the levels mean and how "
        "rules are judged; [known deviations](deviations.md) lists what they are there to catch."
    )
    surfaces = sorted({rule.surface for rule in rules})
    counts = [
        (f"[{surface}](#{surface})", *(str(count) for count in _level_counts(rules, surface)))
        for surface in surfaces
    ]
    yield _table(("surface", *LEVELS), counts)
    for surface in surfaces:
        yield f"## {surface}"
        for rule in rules:
            if rule.surface == surface:
                yield from _rule_entry(rule)


def _level_counts(rules: Iterable[Rule], surface: str) -> Iterator[int]:
    levels = [rule.level for rule in rules if rule.surface == surface]
    return (levels.count(level) for level in LEVELS)


def _rule_entry(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}"
    yield _text(rule.sentence)
    lines = [
        f"* Level: {rule.level}",
        f"* Who breaks: {_text(rule.breaks)}",
        f"* Source: {_linked(rule.source)}",
    ]
    if rule.answers:
        lines.append("* Catches: " + ", ".join(f"[{row}](deviations.md#{row})" for row in rule.answers))
    yield "\n".join(lines)


def _scenarios_page(scenarios: Sequence[Scenario]) -> Iterator[str]:
    yield "# Scenarios"
    yield (
        "Each scenario is one thing that is asked, through every client that can ask it, in each of its "
        "modes. Those in **bold** are the calls of the founding promise, without which nothing is judged. "
        "What needs a capability that the target does not claim is asked where no probe of it was refused "
        "([verdicts](verdicts.md#discovery))."
    )
    yield _table(
        ("scenario", "what is asked", "how", "clients", "cost", "modes", "expects", "needs"),
        [
            (
                f"**{scenario.id}**" if scenario.is_quick_start else scenario.id,
                _text(scenario.sentence),
                _asked(scenario),
                ", ".join(sorted(scenario.asked_by)) or "all",
                scenario.cost,
                ", ".join(scenario.modes),
                " or ".join(f"HTTP {status}" for status in scenario.refused_with) or "an answer",
                ", ".join(sorted(scenario.needs)),
            )
            for scenario in scenarios
        ],
    )
    yield "## What a scenario costs"
    yield (
        "A `core` scenario is asked by every client. A `wide` one is asked by raw alone, or by the clients "
        "that are named, in the profile `standard`, as requests cost money; in the profile `full`, by every "
        "client that can express it. A `wire` one is a matter of bytes that raw alone sends."
    )
    yield "## What clients can't express"
    yield (
        "In the profile `full`, a client is asked whatever it can express. Programs of your own say that "
        "themselves ([clients of your own](command-clients.md))."
    )
    yield _table(
        ("client", "what, and why", "scenarios"),
        [
            (client, _text(reason), ", ".join(names))
            for client in DEFAULT_CLIENTS
            for reason, names in _lacking(client, scenarios).items()
        ],
    )
    yield "## Capabilities"
    yield "What a target may claim beyond plain and streamed chat, which are always judged."
    yield _table(
        ("capability", "what it claims", "claimed by the presets", "scenarios that need it"),
        [
            (
                name,
                _text(sentence),
                ", ".join(preset for preset, known in presets().items() if name in known.claims),
                ", ".join(scenario.id for scenario in scenarios if name in scenario.needs),
            )
            for name, sentence in CAPABILITIES.items()
        ],
    )


def _lacking(client: str, scenarios: Iterable[Scenario]) -> Mapping[str, Sequence[str]]:
    """Why a client is never asked scenarios, each reason with their ids."""
    lacks, found = lacks_of_clients()[client], dict[str, list[str]]()
    for scenario in (one for one in scenarios if client not in one.asked_by):
        for reason in dict.fromkeys(lacks(scenario.ask, mode) for mode in scenario.modes):
            if reason:
                found.setdefault(reason, []).append(scenario.id)
    return found


def _asked(scenario: Scenario) -> str:
    match scenario.ask:
        case Ask(operation=operation, helper=helper):
            return PATHS[operation] + (f" by `{helper}`" if helper else "")
        case FollowUp(operation=operation, after=after):
            return f"{PATHS[operation]} after {after}"
        case Http(method=method, path=path):
            return f"{method} {path}"


def _streams_page() -> Iterator[str]:
    yield "# Streams"
    yield (
        "What may follow what in a stream, as the state machines that judge it. A row is a state, a column "
        "an event; a cell says which state is next (`·`: the same) and which defects the event shows there. "
        "The first table of each section follows the stream as a whole, the others each of its parts."
    )
    yield "## Chat completions"
    yield from (markdown(CHAT), _defects(ChatDefect))
    yield "## Responses"
    yield from (markdown(RESPONSES), _defects(ResponseDefect))


def _defects(defects: Iterable[Enum]) -> str:
    rows = [(f"`{defect_name(defect)}`", _text(str(defect.value))) for defect in defects]
    return _table(("defect", "what had to come instead"), rows)


def _dialects_page() -> Iterator[str]:
    yield "# Dialects"
    yield (
        "A dialect declares what an endpoint is known to do differently. What fails there and nowhere else "
        "is waived, with the reason given here: it is counted and shown, and does not become a pass. A "
        "waiver covers what was received as it says, and no other fault at its place. What one observer "
        "alone has seen, and no page says, is marked so."
    )
    for dialect in dialects():
        yield f"## {dialect}"
        rows = [
            (
                each.id,
                _text(each.difference),
                _text(each.reason),
                _read(each),
                "; ".join(_waived(each)),
            )
            for each in differences_of(dialect)
        ]
        head = (
            "id",
            "what it does",
            "why that is accepted",
            "where that stands",
            "what it violates, and where",
        )
        yield _table(head, rows) if rows else "It declares no difference."


def _read(difference: Difference) -> str:
    seen = "one observer: " * difference.is_of_one_observer
    return f"{seen}{_linked(difference.source)} (read {difference.read})"


def _waived(difference: Difference) -> Iterator[str]:
    if not difference.waivers:
        yield "no rule"
    for waiver in difference.waivers:
        places = [f"`{place}`" for place in (waiver.path, waiver.pointer) if place]
        kind = [f"received `{waiver.received}`"] if waiver.received else []
        yield " ".join([f"[{waiver.rule}](rules.md#{_anchor(waiver.rule)})", *places, *kind])


def _deviations_page(known: Ledger, rules: Sequence[Rule]) -> Iterator[str]:
    yield "# Known deviations"
    yield (
        "What real endpoints were seen to do differently from OpenAI, and which rules catch it. A row says "
        "what was on the wire once, somewhere; it is no claim about any vendor today."
    )
    yield "\n".join(f"* {damage}: {meaning}" for damage, meaning in DAMAGES.items())
    for area, title in known.areas.items():
        yield f"## {title}"
        yield _table(
            ("row", "damage", "what is on the wire", "caught by", "source"),
            [
                (
                    f'<a id="{row.id}"></a>{row.id}',
                    row.damage,
                    _text(row.symptom),
                    _caught(row, rules),
                    _linked(row.source),
                )
                for row in known.rows.values()
                if row.area == area
            ],
        )


def _caught(row: Deviation, rules: Iterable[Rule]) -> str:
    if row.unanswered is not None:
        return f"no rule: {_text(row.unanswered)}"
    return ", ".join(f"[{rule.id}](rules.md#{_anchor(rule.id)})" for rule in rules if row.id in rule.answers)


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join((_GENERATED, *parts)) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _text(text: str) -> str:
    """Text whose angle brackets Markdown shows and does not read as HTML; code spans stay as they are."""
    outside_and_code = text.split("`")
    outside_and_code[::2] = [part.replace("<", "&lt;") for part in outside_and_code[::2]]
    return "`".join(outside_and_code)


def _linked(source: str) -> str:
    return _THREAD.sub(r"[\1#\2](https://github.com/\1/issues/\2)", _text(source))


def _anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading: its dots are dropped."""
    return heading.replace(".", "")


# --- faults and variations ---


def _proof_page(known: Ledger) -> Iterator[str]:
    yield "# Proof"
    yield (
        "Who checks the checkers? `likewise prove` runs the suites against the reference endpoint, told to "
        "depart from what is right in one way at a time, over real sockets and through every client. Each "
        "*fault* below has to be noticed by the rules that stand beside it; no *variation* may be, for each "
        "is legal. Both are counted at level spec, which is what the exit code of a check tells, and at any "
        "level. A rule that passes without a departure and has nothing to judge under a variation is named, "
        "since that is no pass; the variation says why. Beyond these, every constraint of the schemas is "
        "broken at every place of recorded answers, and a rule has to point at the place. Of each "
        "fault the proof also says whether a check that is told no claim names it, how many rules it trips "
        "beyond its own, and how many fail as its consequence; it tries pairs of faults at once, "
        "and a sample through async clients, with writes that are cut small, and in DashScope's dialect. "
        "`make prove` keeps "
        "the outcome in "
        "[reports/gallery/proof.html](../reports/gallery/proof.html)."
    )
    yield (
        "`likewise serve --fault sc-role-missing` starts an endpoint that departs in one of these ways; the "
        "option can be given several times. They are applied in the order in which they are named; where one "
        "would not show beside another, the endpoint says so and does not start. "
        "[CONTRIBUTING](../CONTRIBUTING.md) shows how to add one."
    )
    yield f"## Faults ({len(faults())})"
    for area, title in known.areas.items():
        mine = [one for one in faults().values() if one.id.partition("-")[0] == area]
        if mine:
            yield f"### {title}"
            yield _table(
                ("fault", "what is wrong on the wire", "noticed by"),
                [(f"`{one.id}`", _text(one.sentence), _rule_links(one.caught_by)) for one in mine],
            )
    yield f"## Variations ({len(variations())})"
    yield _table(
        ("variation", "what is other on the wire", "why it is legal"),
        [(f"`{one.id}`", _text(one.sentence), _text(one.source)) for one in variations().values()],
    )


def _rule_links(rules: Iterable[str]) -> str:
    return ", ".join(f"[{rule}](rules.md#{_anchor(rule)})" for rule in rules)


if __name__ == "__main__":
    write(Path("docs"))
    publish_schemas(Path("harness/schemas/published"))
