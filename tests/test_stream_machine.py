"""The tables of the state machines: complete, reachable, and each defect shown by a cell."""

from enum import Enum

import pytest

from harness.stream_machine import (
    CHAT,
    RESPONSES,
    Chat,
    ChatDefect,
    ChatSignal,
    Choice,
    ChoiceSignal,
    Heard,
    Item,
    ItemSignal,
    Response,
    ResponseDefect,
    ResponseSignal,
    Table,
    Text,
    TextSignal,
    Track,
    markdown,
    walk,
)

MACHINES: list[tuple[Table, type[Enum], type[Enum]]] = [
    (CHAT, Chat, ChatSignal),
    (CHAT, Choice, ChoiceSignal),
    (RESPONSES, Response, ResponseSignal),
    (RESPONSES, Item, ItemSignal),
    (RESPONSES, Text, TextSignal),
]

CELLS = [
    pytest.param(table, state, signal, id=f"{state} {signal}")
    for table, states, signals in MACHINES
    for state in states
    for signal in signals
]


def shortest_way(table: Table, start: Enum) -> dict[Enum, list[Enum]]:
    """For each state that can be reached, the fewest signals that lead there."""
    ways: dict[Enum, list[Enum]] = {start: []}
    waiting = [start]
    while waiting:
        state = waiting.pop(0)
        for signal, move in table[state].items():
            if move.to not in ways:
                ways[move.to] = [*ways[state], signal]
                waiting.append(move.to)
    return ways


@pytest.mark.parametrize(("table", "state", "signal"), CELLS)
def test_every_cell_can_be_reached_and_tells_its_defects(table: Table, state: Enum, signal: Enum) -> None:
    start = next(iter(type(state)))
    way = shortest_way(table, start)[state]
    track = Track(start)
    found = list(walk(table, [Heard(track, heard) for heard in [*way, signal]]))
    told = tuple(each.defect for each in found if each.heard.signal is signal)
    assert told[len(told) - len(table[state][signal].defects) :] == table[state][signal].defects
    assert type(table[state][signal].to) is type(state)


@pytest.mark.parametrize(("table", "defects"), [(CHAT, ChatDefect), (RESPONSES, ResponseDefect)])
def test_every_defect_is_shown_by_a_cell(table: Table, defects: type[Enum]) -> None:
    shown = {defect for row in table.values() for move in row.values() for defect in move.defects}
    assert shown == set(defects)


@pytest.mark.parametrize(("table", "states", "signals"), MACHINES)
def test_every_row_has_a_cell_for_every_signal(table: Table, states: type[Enum], signals: type[Enum]) -> None:
    assert all(set(table[state]) == set(signals) for state in states)


def test_tracks_do_not_disturb_one_another() -> None:
    first, second = Track(Choice.NEW, "0"), Track(Choice.NEW, "1")
    heard = [Heard(track, ChoiceSignal.ROLE) for track in (first, second)]
    assert not list(walk(CHAT, heard))


def test_the_documentation_has_a_row_for_every_state_and_names_every_defect() -> None:
    for table, defects in ((CHAT, ChatDefect), (RESPONSES, ResponseDefect)):
        text = markdown(table)
        assert all(f"| **{state.value}** |" in text for state in table)
        assert all(f"`{defect.name.lower().replace('_', '-')}`" in text for defect in defects)
        for part in text.split("\n\n"):
            assert len({line.replace("\\|", "").count("|") for line in part.splitlines()}) == 1
