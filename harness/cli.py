"""The command line: reads what the user wants, calls what does it, says every error in one sentence."""

import difflib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from harness.errors import INTERRUPTED, LikewiseError, NothingJudgedError, UnwritableError, UsageError
from harness.open_files import allow_many_open_files
from harness.writing import whole

if TYPE_CHECKING:
    from harness.check import Settings
    from harness.plan import Plan
    from harness.target import Target

app = typer.Typer(
    name="likewise",
    help="Does an endpoint behave like OpenAI's, for the clients that you use, and how fast is it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

BaseUrl = Annotated[str | None, typer.Option("--base-url", help="Check this address, without a file.")]
ModelName = Annotated[str | None, typer.Option("--model", help="The model to ask there.")]
KeyVariable = Annotated[
    str | None, typer.Option("--api-key-env", help="The environment variable that holds the key.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The file of targets; default: likewise.toml.")
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="NAME=VALUE", help="Send this header, too; NAME=env:VARIABLE for a secret one."
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=JSON", help="Put this field into every request's body."),
]
QueryPairs = Annotated[
    list[str] | None,
    typer.Option(
        "--query", metavar="NAME=VALUE", help="Send this in every URL; NAME=env:VARIABLE works, too."
    ),
]
AuthName = Annotated[
    str | None, typer.Option("--auth", help="How the key is sent: bearer, api-key, or none.")
]
TimeoutS = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", help="The longest silence of the endpoint.")
]
CaBundle = Annotated[
    Path | None, typer.Option("--ca-bundle", help="Trust these certificates (PEM), not the system's.")
]
ProxyUrl = Annotated[
    str | None, typer.Option("--proxy", metavar="URL", help="Ask through this proxy; env:VARIABLE for one.")
]
PlaintextKey = Annotated[
    bool, typer.Option("--allow-plaintext-key", help="Send the key to a public host even without TLS.")
]
EmbeddingModel = Annotated[
    str | None, typer.Option("--embedding-model", help="The model to ask for embeddings.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="One line instead of progress and tables.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text.")]
Claims = Annotated[
    bool, typer.Option("--claims", help="Print what the endpoint was seen to do, for likewise.toml.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be asked, and what it may cost; ask nothing.")
]
RequireComplete = Annotated[
    bool,
    typer.Option("--require-complete", help="Exit with 3 where the budget or an interruption cut the run."),
]
LevelName = Annotated[
    Literal["must", "spec", "recommended"], typer.Option("--level", help="What counts for the exit code.")
]


@app.command()
def check(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Names of targets; none: the reference endpoint.")
    ] = None,
    base_url: BaseUrl = None,
    model: ModelName = None,
    api_key_env: KeyVariable = None,
    config: ConfigFile = None,
    headers: Headers = None,
    params: Params = None,
    query: QueryPairs = None,
    auth: AuthName = None,
    timeout: TimeoutS = None,
    ca_bundle: CaBundle = None,
    proxy: ProxyUrl = None,
    allow_plaintext_key: PlaintextKey = False,  # noqa: FBT002  # a command-line flag
    embedding_model: EmbeddingModel = None,
    clients: Annotated[str, typer.Option(help="Which clients ask, by commas.")] = "raw,openai,langchain",
    modes: Annotated[
        str, typer.Option(help="Which modes: plain, stream, or both by commas.")
    ] = "plain,stream",
    level: LevelName = "spec",
    profile: Annotated[
        Literal["smoke", "standard", "full"],
        typer.Option(help="The founding calls alone; everything; or everything by every client."),
    ] = "standard",
    repeat: Annotated[
        int, typer.Option(min=1, max=100, help="Ask what depends on chance so often, and tell rates.")
    ] = 1,
    budget_requests: Annotated[int | None, typer.Option(min=1, help="Ask at most so many requests.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="Ask for at most so many tokens.")] = None,
    rpm: Annotated[int | None, typer.Option(min=1, help="Ask at most so many requests a minute.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many requests at a time; default: 4.")
    ] = None,
    max_duration: Annotated[
        float | None,
        typer.Option(
            "--max-duration", min=1, metavar="SECONDS", help="End then, and judge what there is as partial."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The folder of the run.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with the interrupted run of this folder.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Which reports, by commas.")
    ] = "html,junit,markdown",
    claims: Claims = False,  # noqa: FBT002  # a command-line flag
    dry_run: DryRun = False,  # noqa: FBT002  # a command-line flag
    require_complete: RequireComplete = False,  # noqa: FBT002  # a command-line flag
    quiet: Quiet = False,  # noqa: FBT002  # a command-line flag
    no_color: NoColor = False,  # noqa: FBT002  # a command-line flag
) -> None:
    """Run the suites against targets and say whether code written for OpenAI works there."""
    from harness.access_reading import AccessWords
    from harness.asked import formats_of, settings_of, targets_of
    from harness.plan import Budget

    access = AccessWords(
        headers or (),
        params or (),
        query or (),
        auth,
        timeout,
        ca_bundle,
        proxy,
        embedding_model,
        allow_plaintext_key,
    )
    chosen = targets_of(targets or [], base_url, model, api_key_env, config, access)
    settings = settings_of(
        clients,
        modes,
        level,
        profile=profile,
        repeat=repeat,
        budget=Budget(budget_requests, budget_tokens),
        rpm=rpm,
        concurrency=concurrency,
        config=config,
        max_duration_s=max_duration,
    )
    names = formats_of(formats)
    console = Console(no_color=no_color, highlight=False)
    codes = []
    if resume is not None and (out is not None or len(chosen) > 1):
        raise UsageError(
            "--resume goes on in the folder of one target's run.",
            "Leave out --out, and name that target alone.",
        )
    if dry_run:
        _print_plans(chosen, settings)
        return
    for target in chosen:
        folder = resume or _folder_for(target.name, out, is_one_of_many=len(chosen) > 1)
        try:
            codes.append(
                _check_one(
                    target,
                    settings,
                    folder,
                    names,
                    console,
                    quiet=quiet,
                    claims=claims,
                    goes_on=resume is not None,
                    require_complete=require_complete,
                )
            )
        except NothingJudgedError as error:
            _tell(error)
            codes.append(error.exit_code)
    raise typer.Exit(max(codes))


def _check_one(
    target: "Target",
    settings: "Settings",
    folder: Path,
    formats: Sequence[str],
    console: Console,
    *,
    quiet: bool,
    claims: bool,
    goes_on: bool,
    require_complete: bool,
) -> int:
    """Check a target, print what its user needs to know, and give the exit code."""
    from harness import content, report, run
    from harness.check import check as open_check
    from harness.check import plan_for
    from harness.observed_claims import as_toml, observed_claims
    from harness.report import terminal

    is_interrupted = False
    planned = plan_for(target, settings)
    if not quiet:
        console.print(_announcement(target, planned), markup=False)
    with open_check(target, settings, os.environ, planned) as checking:
        for note in checking.notes_on_clients() if not quiet else ():
            console.print(note, markup=False)
        with _progress(console, f"Checking {target.name}", len(planned.calls), quiet=quiet) as advance:
            try:
                if goes_on:
                    checking.resume(folder)
                checking.ask_first()
                for note in checking.fit.notes if not quiet else ():
                    console.print(f"{note} That makes {_bounds(checking.current, target)}", markup=False)
                checking.observe(folder, advance)
            except KeyboardInterrupt:
                is_interrupted = True
        finished = checking.judged()
    run.save(finished, folder)
    report.write(finished, run.load_exchanges(folder), folder, formats)
    if quiet:
        typer.echo(terminal.summary_line(finished))
    else:
        terminal.render(finished, console, folder)
    if claims:
        typer.echo(as_toml(observed_claims(content.scenarios(), content.rules(), finished.verdicts)))
    if is_interrupted:
        sys.stdout.flush()
        # Calls under way can't be called back, and waiting for them is what the user has just refused.
        os._exit(INTERRUPTED)
    if require_complete and finished.partial and finished.exit_code == 0:
        return NothingJudgedError.exit_code
    return finished.exit_code


def _print_plans(targets: Sequence["Target"], settings: "Settings") -> None:
    from harness.check import plan_for, promised
    from harness.report import dry_run

    for target in targets:
        for line in dry_run.lines(target, plan_for(target, settings), promised(target)):
            typer.echo(line)


def _announcement(target: "Target", planned: "Plan") -> str:
    left_out = f" {len(planned.left_out)} more are left out by the budget." if planned.left_out else ""
    return f"Checking {target.name}: {_bounds(planned, target)}{left_out}"


def _bounds(planned: "Plan", target: "Target") -> str:
    from harness.report.dry_run import bounds

    return f"{bounds(planned, target.price)}."


@contextmanager
def _progress(console: Console, title: str, total: int, *, quiet: bool) -> Iterator[Callable[[object], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, disable=quiet or not console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda _: progress.advance(task)


@app.command()
def serve(
    dialect: Annotated[
        Literal["openai", "dashscope"], typer.Option(help="Whose way of speaking.")
    ] = "openai",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=0, max=65535)] = 8765,
    latency: Annotated[
        str, typer.Option(help='For example "ttft=200ms,itl=20ms,jitter=lognormal:0.2,seed=7".')
    ] = "",
    log: Annotated[
        Path | None, typer.Option(help="Write the true times of every answer to this file.")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help="Depart from right answers in this way; can be given several times."),
    ] = None,
    fast: Annotated[
        str | None,
        typer.Option(
            metavar="ANSWER",
            help="Prebuilt answers for load tests, such as "
            '"tokens=32", "tokens=500,one-write", "tokens=32,freeze=10s+2s" or "tokens=32,failure=cut/100".',
        ),
    ] = None,
) -> None:
    """Run the reference endpoint until Ctrl-C."""
    allow_many_open_files()
    if fast is not None:
        if faults or dialect != "openai":
            raise UsageError(
                "The fast lane has neither the faults nor the dialects of the full endpoint.",
                "Leave out --fault and --dialect, or serve without --fast; it has failure=KIND/N of its own.",
            )
        from harness.endpoint import fast as fast_lane
        from harness.endpoint.fast_answers import MODEL

        with fast_lane.running(fast_lane.parsed(fast, latency, log), host=host, port=port) as base_url:
            _serve_until_interrupted(f"{base_url}  model {MODEL}, any key")
        return
    from harness.endpoint.server import running
    from harness.endpoint.settings import Latency, Settings

    settings = Settings(dialect=dialect, latency=Latency.parse(latency), log=log, faults=tuple(faults or ()))
    with running(settings, host=host, port=port) as address:
        _serve_until_interrupted(f"{address.base_url}  model {address.model}  key {address.key}")


def _serve_until_interrupted(what: str) -> None:
    # A shell's background job ignores Ctrl-C and is ended by SIGTERM; the log has to be whole then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        typer.echo(f"{what}  (Ctrl-C ends it)")
        threading.Event().wait()


@app.command()
def load(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="The name of a target; none: the reference endpoint."),
    ] = None,
    base_url: BaseUrl = None,
    model: ModelName = None,
    api_key_env: KeyVariable = None,
    config: ConfigFile = None,
    headers: Headers = None,
    params: Params = None,
    query: QueryPairs = None,
    auth: AuthName = None,
    ca_bundle: CaBundle = None,
    proxy: ProxyUrl = None,
    allow_plaintext_key: PlaintextKey = False,  # noqa: FBT002  # a command-line flag
    embedding_model: EmbeddingModel = None,
    workload: Annotated[str, typer.Option(help="The name of a workload, or a TOML file.")] = "short-chat",
    arrivals: Annotated[
        str,
        typer.Option(help="Such as users:8, constant:50, poisson:10-100/60s,100, gamma(4):50, trace:FILE"),
    ] = "users:4",
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds, warm-up and cool-down in them.")] = 30.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds at the start that do not count.")] = 2.0,
    cool_down: Annotated[float, typer.Option(min=0, help="Seconds at the end that do not count.")] = 1.0,
    clients: Annotated[
        str, typer.Option(help="By commas, one after another: raw, openai, langchain.")
    ] = "raw",
    mode: Annotated[str, typer.Option(help="plain or stream.")] = "stream",
    cap: Annotated[int | None, typer.Option(min=1, help="At most so many requests in flight.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long a request may take; default: the target's, or 300."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other arrivals and prompts.")] = 0,
    slo: Annotated[
        list[str] | None, typer.Option("--slo", help='An objective, such as "ttft.p95<500ms"; repeat it.')
    ] = None,
    find_max: Annotated[
        str | None, typer.Option(help="Find the highest level that keeps these objectives, by commas.")
    ] = None,
    sweep: Annotated[str | None, typer.Option(help="Measure these levels, such as 1,2,4,8.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Compare with the load run in this folder.")] = None,
    judge: Annotated[bool, typer.Option(help="Hold every answer against the rules.")] = True,  # noqa: FBT002
    processes: Annotated[int, typer.Option(min=1, max=256, help="Make the load by so many processes.")] = 1,
    master: Annotated[int | None, typer.Option(min=1, help="Wait for so many workers to make it.")] = None,
    worker: Annotated[bool, typer.Option("--worker", help="Make load for a master.")] = False,  # noqa: FBT002
    master_host: Annotated[str, typer.Option(help="Where the master is, or is to listen.")] = "127.0.0.1",
    master_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port.")] = 5557,
    web: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Serve Locust's own page.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Make load where likewise.toml names nothing.")] = False,  # noqa: FBT002
    out: Annotated[Path | None, typer.Option("--out", help="The folder of the run.")] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Which reports, by commas.")
    ] = "html,markdown,llmd",
    quiet: Quiet = False,  # noqa: FBT002  # a command-line flag
    no_color: NoColor = False,  # noqa: FBT002  # a command-line flag
) -> None:
    """Measure an endpoint under load, and say whether it keeps its objectives."""
    from dataclasses import replace

    from harness.access_reading import AccessWords
    from harness.asked import targets_of
    from harness.load.asked import check_can_travel, check_consent, load_formats_of, settings_of

    allow_many_open_files()
    if worker:
        _check_for_worker(context)
        from harness.load.engine import work

        folder = out or _folder_for("worker", None, is_one_of_many=False)
        typer.echo(work(master_host, master_port, folder, dict(os.environ)))
        return
    if master is not None and processes > 1:
        raise UsageError(
            "A master makes no load itself, by however many processes.", "Leave out --processes."
        )
    settings = settings_of(
        workload=workload,
        arrivals=arrivals,
        clients=clients,
        mode=mode,
        duration_s=duration,
        warm_up_s=warm_up,
        cool_down_s=cool_down,
        objectives=slo or [],
        find_max=find_max,
        sweep=sweep,
        cap=cap,
    )
    settings = replace(settings, seed=seed, is_judged=judge, web=web)
    if master is not None:
        settings = replace(
            settings, workers=master, has_own_workers=False, bind_host=master_host, bind_port=master_port
        )
    elif processes > 1:
        settings = replace(settings, workers=processes)
    names = load_formats_of(formats)
    access = AccessWords(
        headers or (),
        params or (),
        query or (),
        auth,
        timeout,
        ca_bundle,
        proxy,
        embedding_model,
        allow_plaintext_key,
    )
    target = targets_of([name] if name else [], base_url, model, api_key_env, config, access)[0]
    if target.access.timeout_s is not None:
        settings = replace(settings, timeout_s=target.access.timeout_s)
    check_consent(target, config, has_consented=yes)
    check_can_travel(target, settings)
    folder = _folder_for(f"{target.name}-load", out, is_one_of_many=False)
    from harness.load.command import load_and_report

    console = Console(no_color=no_color, highlight=False)
    raise typer.Exit(
        load_and_report(target, settings, dict(os.environ), folder, names, baseline, console, quiet=quiet)
    )


def _check_for_worker(context: typer.Context) -> None:
    """Raise UsageError for what a worker would not heed."""
    own = {"worker", "master_host", "master_port", "out", "quiet", "no_color"}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name not in own:
            called = next((word for word in parameter.opts if word.startswith("-")), "TARGET")
            raise UsageError(f"A worker has all from its master, and nothing from {called}.", "Leave it out.")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    formats: Annotated[
        str | None, typer.Option("--format", help="Which reports, by commas; default: as the run wrote them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: into the run's folder.")
    ] = None,
) -> None:
    """Render the reports of a run again."""
    from harness import report as reports
    from harness import run
    from harness.asked import formats_of

    if not (folder / "run.json").exists() and (
        (folder / "load.json").exists() or any(folder.glob("requests*.jsonl.zst"))
    ):
        from harness.load.asked import load_formats_of
        from harness.load.recovery import rendered_again

        names = load_formats_of(formats or "html,markdown,llmd")
        for path in rendered_again(folder, out or folder, names):
            typer.echo(path)
        return
    names = formats_of(formats or "html,junit,markdown")
    for path in reports.write(run.load(folder), run.load_exchanges(folder), out or folder, names):
        typer.echo(path)


@app.command()
def judge(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, a HAR file or a JSONL file.")],
    level: Annotated[
        Literal["must", "spec", "recommended"] | None,
        typer.Option("--level", help="What counts for the exit code; default: the run's own level."),
    ] = None,
    clients: Annotated[
        str, typer.Option(help="Which clients a HAR or JSONL file is said again to, by commas.")
    ] = "raw,openai,langchain",
    out: Annotated[Path | None, typer.Option("--out", help="Write the new run into this folder.")] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Which reports, by commas.")
    ] = "html,junit,markdown",
    quiet: Quiet = False,  # noqa: FBT002  # a command-line flag
    no_color: NoColor = False,  # noqa: FBT002  # a command-line flag
) -> None:
    """Judge what was recorded again, by today's rules and without a network."""
    from harness import rejudge
    from harness.asked import formats_of, words
    from harness.observe import checked_clients
    from harness.report import terminal
    from harness.report.text import plural

    names = formats_of(formats)
    recorded = rejudge.recording(path, checked_clients(words(clients)))
    judged = rejudge.judged_again(recorded, level=level)
    if out is not None:
        rejudge.save(judged, recorded, out, names)
    if quiet:
        typer.echo(terminal.summary_line(judged))
    else:
        terminal.render(judged, Console(no_color=no_color, highlight=False), out or path)
    if recorded.run is not None:
        differing = rejudge.differing(recorded.run, judged)
        verb = "differs" if differing == 1 else "differ"
        typer.echo(f"{plural(differing, 'verdict')} {verb} from what run.json says.")
    raise typer.Exit(judged.exit_code)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Say what changed since this run, and why.")
    ] = None,
    clients: Annotated[str, typer.Option(help="Which clients, by commas; default: all.")] = "",
    level: Annotated[
        Literal["must", "spec", "recommended"] | None,
        typer.Option("--level", help="What counts as a regression; default: the new run's own level."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the comparison into this folder.")] = None,
    formats: Annotated[str, typer.Option("--format", help="html, markdown, or both.")] = "html,markdown",
    quiet: Quiet = False,  # noqa: FBT002  # a command-line flag
    no_color: NoColor = False,  # noqa: FBT002  # a command-line flag
) -> None:
    """Compare runs, or the clients of one; with --baseline, exit with 1 when the endpoint got worse."""
    from harness.asked import words
    from harness.comparison import making, terminal

    made = making.make(folders, baseline, words(clients), level)
    written = making.write(made, out or _folder_for("comparison", None, is_one_of_many=False), words(formats))
    if quiet:
        typer.echo(terminal.summary_line(made))
    else:
        console = Console(no_color=no_color, highlight=False)
        terminal.render(made, console, written)
    raise typer.Exit(made.exit_code)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A target, or the folder of a run: the backend.")],
    second: Annotated[
        str, typer.Argument(metavar="B", help="A target, or the folder of a run: the gateway.")
    ],
    config: ConfigFile = None,
    headers: Headers = None,
    params: Params = None,
    query: QueryPairs = None,
    auth: AuthName = None,
    timeout: TimeoutS = None,
    ca_bundle: CaBundle = None,
    proxy: ProxyUrl = None,
    allow_plaintext_key: PlaintextKey = False,  # noqa: FBT002  # a command-line flag
    clients: Annotated[str, typer.Option(help="Which clients ask, by commas.")] = "raw",
    modes: Annotated[
        str, typer.Option(help="Which modes: plain, stream, or both by commas.")
    ] = "plain,stream",
    profile: Annotated[
        Literal["smoke", "standard"], typer.Option(help="The founding calls alone, or everything.")
    ] = "standard",
    rpm: Annotated[int | None, typer.Option(min=1, help="Ask at most so many requests a minute.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write into this folder.")] = None,
    quiet: Quiet = False,  # noqa: FBT002  # a command-line flag
    no_color: NoColor = False,  # noqa: FBT002  # a command-line flag
) -> None:
    """Ask two targets the same and tell field by field what one side has and the other has not."""
    from harness import hops
    from harness.access_reading import AccessWords
    from harness.asked import settings_of
    from harness.comparison import difference_report
    from harness.comparison.difference import differences

    folder = out or _folder_for("diff", None, is_one_of_many=False)
    settings = settings_of(clients, modes, "spec", profile=profile, rpm=rpm, config=config)
    console = Console(no_color=no_color, highlight=False)
    asked = []
    access = AccessWords(
        headers or (),
        params or (),
        query or (),
        auth,
        timeout,
        ca_bundle,
        proxy,
        allow_plaintext_key=allow_plaintext_key,
    )

    def tell(note: str) -> None:
        if not quiet:
            typer.echo(note, err=True)

    for side in hops.sides((first, second), config, folder, access):
        total = len(hops.planned(side, settings))
        with _progress(console, f"Asking {side.name}", total, quiet=quiet) as advance:
            asked.append(hops.exchanges(side, settings, os.environ, advance, tell))
    found, compared = differences(*asked), len(asked[0].keys() & asked[1].keys())
    written = difference_report.write(folder, (first, second), found, compared)
    if quiet:
        typer.echo(difference_report.sentence((first, second), found, compared))
    else:
        difference_report.render(console, (first, second), found, compared)
        for path in written:
            typer.echo(path)
    raise typer.Exit((1 if found else 0) if compared else 3)


@app.command()
def check_client(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A client of likewise.toml.")],
    config: ConfigFile = None,
) -> None:
    """Try a client of your own on the reference endpoint, and hold its replies against the wire."""
    from harness import client_check
    from harness.foreign import commands, introductions
    from harness.report.text import plural

    known = commands(config)
    if name not in known:
        listed = (
            f"It names {', '.join(known)}." if known else "It names none: docs/command-clients.md shows how."
        )
        raise UsageError(f"likewise.toml names no client {name!r}.", listed)
    program = introductions(known, [name])[name]
    typer.echo(f"{name}: {program.version or 'said no hello'}")
    for line in client_check.expressed(program) if not program.failure else ():
        typer.echo(f"  can ask {line}")
    found = []
    for step in client_check.steps(name, program):
        found.append(step.finding)
        typer.echo(f"  {step.finding:<9}  {step.asked}{f': {step.detail}' if step.detail else ''}")
    counted = [finding for finding in found if finding != "not asked"]
    agree, all_of_them = counted.count("agrees"), plural(len(counted), "step")
    typer.echo(f"The client agrees with the wire in {agree} of {all_of_them}.")
    if "failed" in found:
        raise typer.Exit(NothingJudgedError.exit_code)
    raise typer.Exit(1 if "differs" in found else 0)


@app.command()
def bugreport(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="A rule that fails in the run.")],
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="RUN", help="The folder of the run; default: the newest in runs/."),
    ] = None,
) -> None:
    """Print a failing rule as Markdown, ready for the tracker of the endpoint."""
    from harness import run
    from harness.report.bugreport import bugreport as text_of

    chosen = folder or run.newest(Path("runs"))
    typer.echo(text_of(run.load(chosen), run.load_exchanges(chosen), rule), nl=False)


@app.command()
def prove(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Faults and variations, such as 'st-*'; none: all."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many processes; default: the cores and one more.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Where the proof is written; it goes on from what is there.")
    ] = Path("runs/proof"),
    quiet: Quiet = False,  # noqa: FBT002  # a command-line flag
    no_color: NoColor = False,  # noqa: FBT002  # a command-line flag
) -> None:
    """Prove the suites: every fault must be noticed, no legal variation may be."""
    from harness import proof
    from harness import prove as proving
    from harness.report import proof_page, proof_terminal

    tasks = proving.tasks(names or ())
    console = Console(no_color=no_color, highlight=False)
    with _progress(console, "Proving", len(tasks), quiet=quiet) as advance:
        made = proving.prove(tasks, out, jobs or (os.cpu_count() or 1) + 1, advance, is_complete=not names)
    page = out / "proof.html"
    written = [proof.save(made, out), page]
    with whole(page) as file:
        file.write_text(proof_page.render(made), encoding="utf-8")
    if quiet:
        typer.echo(proof_page.answer(made))
    else:
        proof_terminal.render(made, console, written)
    raise typer.Exit(made.exit_code)


@app.command()
def rules(
    rule_id: Annotated[str | None, typer.Argument(metavar="RULE", help="Explain this rule.")] = None,
) -> None:
    """List the rules, or explain one."""
    from harness import content
    from harness.deviations import ledger

    known = content.rules()
    if rule_id is None:
        for rule in known.values():
            typer.echo(f"{rule.id:<34} {rule.level:<12} {rule.sentence}")
        return
    if rule_id not in known:
        close = difflib.get_close_matches(rule_id, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "`likewise rules` lists them all."
        raise UsageError(f"There is no rule {rule_id!r}.", hint)
    rule = known[rule_id]
    typer.echo(
        f"{rule.sentence}\n\n  id      {rule.id}\n  level   {rule.level}\n"
        f"  breaks  {rule.breaks}\n  source  {rule.source}"
    )
    for row in rule.answers:
        typer.echo(f"  catches {row}: {ledger().rows[row].symptom}")


@app.command()
def targets(config: ConfigFile = None) -> None:
    """List the targets of likewise.toml and the presets."""
    from harness.target import load, presets

    for target in load(config).values():
        where = target.base_url or "started by likewise itself"
        typer.echo(f"{target.name:<20} {where}  {target.model}  ({target.dialect})")
    for name, preset in presets().items():
        typer.echo(f"{name:<20} preset: {preset.title}")


@app.command()
def init() -> None:
    """Write a first likewise.toml into this folder."""
    from harness.first_file import FIRST_FILE

    path = Path("likewise.toml")
    if path.exists():
        raise UsageError(f"{path} is here already.", "Edit it, or move it away first.")
    with whole(path) as file:
        file.write_text(FIRST_FILE, encoding="utf-8")
    typer.echo(f"{path} written; `likewise targets` lists what it names.")


def _folder_for(target: str, out: Path | None, *, is_one_of_many: bool) -> Path:
    if out is None:
        return Path("runs") / f"{target}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return out / target if is_one_of_many else out


def _tell(error: LikewiseError) -> None:
    typer.echo(f"Error: {error.happened}\n       {error.next_step}", err=True)


def main() -> None:
    """Run the command line; exit codes are those of the README."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A pipe may know fewer characters than a model does.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except LikewiseError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as ended:
        if any(thread.name.startswith("observer") for thread in threading.enumerate()):
            # Calls that a check gave up are under way, and nobody waits for what they bring.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1)
        raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        full = UnwritableError(
            "What is printed can't be written: there is no room.", "Make room where it goes."
        )
        _tell(full)
        # the interpreter would try once more to write it
        os._exit(full.exit_code)
