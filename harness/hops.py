"""Both sides of a gateway: asks the same of two targets, or reads what was recorded of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import run
from harness.access_reading import AccessWords
from harness.asked import laid_over
from harness.check import Settings, check, plan_for
from harness.errors import RunFolderError
from harness.plan import Call
from harness.target import Target, load, resolve
from harness.wire.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Side:
    """One side: the target to ask, or the folder of a run."""

    name: str
    target: Target | None
    folder: Path


def sides(
    names: Sequence[str], config: Path | None, out: Path, access: AccessWords = AccessWords()
) -> tuple[Side, ...]:
    """What the words of the command line mean: a folder where there is one, else the name of a target."""
    known = load(config)
    found = [
        Side(name, None, Path(name))
        if (Path(name) / "exchanges.jsonl.zst").exists()
        else Side(name, laid_over(resolve(name, known), access), out / name)
        for name in names
    ]
    claims = frozenset().union(*(side.target.claims for side in found if side.target))
    # Both are asked whatever one of them claims: what one side lacks is what is looked for.
    return tuple(
        replace(side, target=replace(side.target, claims=claims)) if side.target else side for side in found
    )


def planned(side: Side, settings: Settings) -> Sequence[Call]:
    """What a side will be asked; nothing where it is recorded."""
    return plan_for(side.target, settings).calls if side.target else ()


def exchanges(
    side: Side,
    settings: Settings,
    environ: Mapping[str, str],
    on_observation: Callable[[object], None],
    tell: Callable[[str], None],
) -> Mapping[tuple[str, str, str], Exchange]:
    """The exchanges of a side by scenario, client and mode; asked for, unless they were recorded.

    `tell` is given what its user has to know beside them.
    """
    if side.target is not None:
        with check(side.target, settings, environ) as checking:
            for note in checking.notes:
                tell(note)
            checking.observe(side.folder, on_observation)
    found = run.load_exchanges(side.folder)
    if not found:
        raise RunFolderError(
            f"{side.folder} holds no exchange.", "Name a folder of `likewise check`, or a target."
        )
    return found
