"""What the user asked for, read from the words of a command line or of pytest's options."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import report
from harness.access_reading import AccessWords
from harness.check import Settings
from harness.errors import UsageError
from harness.foreign import commands, introductions
from harness.observe import checked_clients
from harness.plan import Budget, Profile
from harness.rule import Level
from harness.scenario import Mode
from harness.target import Target, ad_hoc, contradiction_of, load, resolve


def targets_of(
    names: Sequence[str],
    base_url: str | None,
    model: str | None,
    api_key_env: str | None,
    config: Path | None = None,
    access: AccessWords = AccessWords(),
) -> list[Target]:
    """The targets named, or the one at `base_url`; the reference endpoint when nothing is named.

    What the command line says of the access is laid over each.
    """
    if base_url is None:
        if model or api_key_env:
            raise UsageError(
                "--model and --api-key-env go with --base-url.",
                "Add --base-url, or write the target into likewise.toml (`likewise init`).",
            )
        file_targets = load(config)
        return [laid_over(resolve(name, file_targets), access) for name in names or ["reference"]]
    if names:
        raise UsageError("Either names of targets or --base-url, not both.", "Leave one of them out.")
    if model is None:
        raise UsageError("--base-url needs the model to ask.", "Add --model NAME.")
    return [laid_over(ad_hoc(base_url, model, api_key_env), access)]


def laid_over(target: Target, words: AccessWords) -> Target:
    """The target with what the options of a command say in its place; raises UsageError."""
    over = replace(
        target,
        access=words.access_over(target.access),
        params=words.params_over(target.params),
        models=words.models_over(target.models),
    )
    if contradiction := contradiction_of(over):
        happened, next_step = contradiction
        raise UsageError(f"{target.name}: {happened}", next_step)
    return over


def settings_of(
    clients: str,
    modes: str,
    level: Level,
    *,
    profile: Profile = "standard",
    repeat: int = 1,
    budget: Budget | None = None,
    rpm: int | None = None,
    concurrency: int | None = None,
    config: Path | None = None,
    max_duration_s: float | None = None,
) -> Settings:
    """Settings from comma-separated names of clients and modes; the profile `full` adds the async clients.

    `config` is the file that names the clients that are programs; each of them is started to say hello.
    """
    known = commands(config)
    names = checked_clients(words(clients), known)
    if profile == "full":
        names = checked_clients(
            (
                *names,
                *(f"{name}-async" for name in names if name not in known and not name.endswith("-async")),
            ),
            known,
        )
    return Settings(
        names,
        modes_of(modes),
        level,
        profile,
        repeat,
        budget or Budget(),
        rpm,
        concurrency,
        introductions(known, names),
        max_duration_s,
    )


def formats_of(names: str) -> tuple[str, ...]:
    """Report formats from a comma-separated list."""
    unknown = [name for name in words(names) if name not in report.formats()]
    if unknown:
        raise UsageError(f"There is no format {unknown[0]!r}.", f"Choose from {', '.join(report.formats())}.")
    return words(names)


def words(text: str) -> tuple[str, ...]:
    """The words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def modes_of(text: str) -> tuple[Mode, ...]:
    """Modes from a comma-separated list."""
    known = {mode.value: mode for mode in Mode}
    if not words(text) or any(word not in known for word in words(text)):
        raise UsageError(f"There is no mode {text!r}.", "Choose plain, stream, or plain,stream.")
    return tuple(dict.fromkeys(known[word] for word in words(text)))
