"""A badge for a README: whether code written for OpenAI works, in two words. `badge_json` says the same."""

from typing import TextIO

from harness.report import Exchanges
from harness.report.findings import use_rows
from harness.report.page import drawing
from harness.run import Run
from harness.uses import state_over

FILENAME = "badge.svg"

LABEL = "OpenAI drop-in"

_CHAR_PX = 6.6
"""About the width of a character; the drawing stretches its text to what it is given."""

_PAD_PX = 8

_GREEN, _AMBER, _RED, _GREY = "#1f6f43", "#8a5a00", "#b0281c", "#625d54"
"""White text has contrast on each."""


def render(run: Run, exchanges: Exchanges, file: TextIO) -> None:  # noqa: ARG001  # the use table is enough
    """The badge as SVG, which loads nothing."""
    said = message(run)
    file.write(
        drawing(
            "badge.svg",
            label=LABEL,
            message=said,
            label_px=_width_px(LABEL),
            message_px=_width_px(said),
            pad_px=_PAD_PX,
            colour=colour(run),
        )
    )


def colour(run: Run) -> str:
    """Green: conforms; amber: a rule fails, no use breaks; red: one does; grey: not judged, or in part."""
    if run.exit_code == 1:
        return _RED if any(cell.state == "breaks" for cell in run.uses) else _AMBER
    return _GREY if run.exit_code == 3 or run.partial else _GREEN


def message(run: Run) -> str:
    """The right half: how many of the uses work, and how many rules fail."""
    if run.exit_code == 3:
        return "not judged"
    states = [state_over(cell.state for cell in row.values()) for row in use_rows(run).values()]
    asked = [state for state in states if state not in {"not asked", "unsupported"}]
    uses = f"{states.count('works')} of {len(asked)} uses" if asked else "no uses"
    failing = len({verdict.rule for verdict in run.failures()})
    rules = f", {failing} rule{'s' if failing != 1 else ''} fail{'s' if failing == 1 else ''}"
    return uses + (rules if failing else ", in part" if run.partial else "")


def _width_px(text: str) -> int:
    return round(len(text) * _CHAR_PX) + 2 * _PAD_PX
