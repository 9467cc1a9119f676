"""What can go wrong outside of a verdict: one class per way, each with what happened and what to do next.

LikewiseError
├── UsageError            exit 2: the command line or the configuration is wrong
│   ├── ConfigError           a mistake in likewise.toml, with its line
│   ├── UnknownTargetError    a target that no file and no preset names
│   ├── MissingKeyError       the variable that should hold the key is not set
│   ├── BadBaseUrlError       a base_url that no client could use
│   ├── RunFolderError        a folder that holds no run that can be read
│   ├── UnwritableError       a file that can't be written
│   ├── TraceError            a mistake in a trace of arrivals, with its line
│   ├── CodeChangedError      the code changed while it was being proved
│   └── MissingExtraError     an optional package that this command needs
└── NothingJudgedError    exit 3: the endpoint gave nothing to judge
    └── BrokenGeneratorError  load that ended over a mistake in the code that makes it
"""

from harness.visible import visible

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


class LikewiseError(Exception):
    """An error that its user can mend: `happened` and `next_step` are one sentence each.

    They may quote an endpoint, so that what acts on a terminal is made visible in them.
    """

    exit_code = 2

    def __init__(self, happened: str, next_step: str) -> None:
        self.happened = visible(happened, kept="\n")
        self.next_step = visible(next_step, kept="\n")
        super().__init__(f"{self.happened} {self.next_step}")

    def __reduce__(self) -> tuple[type["LikewiseError"], tuple[str, str]]:
        """What makes it again in another process."""
        return type(self), (self.happened, self.next_step)


class UsageError(LikewiseError):
    """The command line or the configuration is wrong."""


class ConfigError(UsageError):
    """A mistake in likewise.toml; the message starts with `file:line: key`."""


class UnknownTargetError(UsageError):
    """A target name that no file and no preset knows."""


class MissingKeyError(UsageError):
    """The environment variable that should hold the key is not set or empty."""


class BadBaseUrlError(UsageError):
    """A base_url that no client could use."""


class RunFolderError(UsageError):
    """A folder that holds no run, or one that this version can't read."""


class UnwritableError(UsageError):
    """A file that can't be written: no permission, no room, no folder."""


class TraceError(UsageError):
    """A mistake in a trace of arrivals; the message starts with `file:line:`."""


class CodeChangedError(UsageError):
    """The code of the project, or a library, changed while it was being proved."""


class MissingExtraError(UsageError):
    """An optional package that this command needs is not installed."""


class NothingJudgedError(LikewiseError):
    """The endpoint gave nothing to judge: unreachable, key refused, not an API."""

    exit_code = 3


class BrokenGeneratorError(NothingJudgedError):
    """A load run that ended over a mistake in the code that makes the load, not over the endpoint."""
