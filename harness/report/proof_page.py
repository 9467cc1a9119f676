"""A proof as one page that stands alone, in the looks of the reports."""

from collections.abc import Mapping

from harness.deviations import ledger
from harness.proof import MANY_RULES, Proof, Trial
from harness.report.page import page

FIRST = (
    "sc-two-finish-chunks",
    "sc-id-changes.id",
    "sc-role-missing",
    "su-usage-every-chunk",
    "ds-incremental-output",
)
"""Faults that six other tools of this field leave silent, all of them."""

_TEXT_CHARS = 300


def render(proof: Proof) -> str:
    """The proof as HTML."""
    known = {trial.id: trial for trial in proof.of_kind("fault")}
    return page(
        "proof.html",
        _TEXT_CHARS,
        proof=proof,
        answer=answer(proof),
        failures=list(proof.failures()),
        first=[known[name] for name in FIRST if name in known],
        clients=clients_of(proof),
        areas=_by_area(proof),
        unexplained=[trial for trial in proof.trials if trial.is_unexplained],
        explained=[trial for trial in known.values() if trial.because and len(trial.beyond) > MANY_RULES],
        variations=proof.of_kind("variation", "truth"),
        open_rows=[row for row in proof.rows if row.reason],
        covered=sum(bool(row.faults or row.variations) for row in proof.rows),
    )


def answer(proof: Proof) -> str:
    """The figures, as a sentence: of faults and of legal trials both at level spec and at any."""
    (caught, faults), (at_spec, _), (quiet, legal), (pointed, tried) = (
        proof.caught,
        proof.sensitivity,
        proof.specificity,
        proof.mutations,
    )
    (by_default, _), (median, most) = proof.named_by_default, proof.side_findings
    pairs = len(proof.pairs)
    again = sum(not one.silent for one in proof.retrials)
    named = sum(len(pair.named) for pair in proof.pairs)
    hidden = sum(len(pair.hidden) for pair in proof.pairs)
    said = {
        f"{caught:,} of {faults:,} faults caught, {at_spec:,} of them at level spec "
        f"and {caught - at_spec:,} by a recommendation alone; "
        f"{by_default:,} named by a check without claims; a fault trips {median:g} other rules in the median "
        f"and {most} at most": faults,
        f"in {pairs:,} pairs of faults {named:,} of {2 * pairs:,} named and {hidden:,} hidden": pairs,
        f"{again:,} of {len(proof.retrials):,} caught in another way": len(proof.retrials),
        f"{legal - quiet:,} false alarms in {legal:,} legal trials, {proof.advised:,} of which get a "
        f"recommendation and {len(proof.unjudged):,} of which leave a rule unjudged": legal,
        f"{pointed:,} of {tried:,} single mutations pointed at": tried,
    }
    return "; ".join(figure for figure, is_told in said.items() if is_told)


def clients_of(proof: Proof) -> list[str]:
    """Every client that asked, in the order of their first trial."""
    return list(dict.fromkeys(client for trial in proof.trials for client in trial.clients))


def _by_area(proof: Proof) -> Mapping[str, list[Trial]]:
    areas = {
        title: [trial for trial in proof.of_kind("fault") if trial.area == area]
        for area, title in ledger().areas.items()
    }
    return {title: trials for title, trials in areas.items() if trials}
