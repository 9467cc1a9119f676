"""A claim is a promise: what is claimed has to be seen."""

from harness.evidence.promises import Promises
from harness.rule import Violation, Violations, rule


@rule(
    "claims.shown",
    level="spec",
    source="docs/verdicts.md: what a target claims must work; a claim that nothing shows is not kept",
    breaks="Whoever relies on the claim: nothing in this run says that it holds.",
)
def what_is_claimed_is_shown(promises: Promises) -> Violations:
    """Each capability that a target claims is seen: at least one rule can judge it."""
    for name, reason in promises.unshown:
        yield Violation(received=f"nothing of {name}: {reason}", expected="an answer that shows it")
