"""Users for a plain `locust -f loadtests/locustfile.py`: Locust decides how many there are and for how long.

Each request shows in Locust's own statistics as `chat TTFT` and `chat total`. These have two significant
digits, so the figures at the end come from histograms of our own.
"""

import itertools
import os
import sys
import threading
import time
import uuid
from dataclasses import replace
from typing import Any

from locust import User, constant, events, task

from harness.clients import hush_libraries
from harness.connecting import connection_to
from harness.errors import LikewiseError, UsageError
from harness.fit import CapName
from harness.load.clients import LoadClient, clients
from harness.load.engine import fire
from harness.load.job import NS
from harness.load.metrics import Tally, figures
from harness.load.probe import spelled_cap
from harness.load.received import Due
from harness.load.workload import Workload, load_workload
from harness.scenario import Mode
from harness.target import Target, ad_hoc

_ENDLESS_S = 10 * 365 * 86_400.0
_ordinals = itertools.count()
_run_id = uuid.uuid4().hex[:12]


class ChatUser(User):
    """A user that asks again as soon as it has its answer."""

    abstract = True
    wait_time = constant(0)
    client_name: str
    client: LoadClient

    def on_start(self) -> None:
        """Open a client of its own."""
        options = self.environment.parsed_options
        target = _target(self.host, options)
        endpoint = connection_to(target, os.environ)
        self.client = clients()[self.client_name](endpoint)()
        self.mode = Mode(options.mode)
        self.workload = _as_wanted(load_workload(options.workload), self.client_name, self.client, self.mode)
        # before the first request of all, whose times count from it
        self.tally = _tallies.setdefault(
            self.client_name, Tally(self.client_name, self.mode.value, time.monotonic_ns(), 0, _ENDLESS_S)
        )

    def on_stop(self) -> None:
        """Close it."""
        self.client.close()

    @task
    def ask(self) -> None:
        """Ask once."""
        ordinal = next(_ordinals)
        request = self.workload.request(_run_id, 0, ordinal)
        record = self.client.perform(Due(ordinal, request), self.mode).answered().record
        self.tally.add([record])
        fire(self.environment, record, self.workload.operation)


def _as_wanted(workload: Workload, client_name: str, client: LoadClient, mode: Mode) -> Workload:
    """The workload with its cap spelled as the endpoint takes it; the first user of a client finds out."""
    with _caps_lock:
        if client_name not in _caps:
            _caps[client_name] = spelled_cap(workload, client, mode)
    return replace(workload, output_cap=_caps[client_name])


_caps: dict[str, CapName] = {}
_caps_lock = threading.Lock()


def _target(host: str | None, options: Any) -> Target:
    if not host:
        raise UsageError("There is no --host.", "Give the base URL, such as http://127.0.0.1:8000/v1.")
    return ad_hoc(host, options.model, options.api_key_env or None)


@events.init.add_listener  # type: ignore[untyped-decorator]  # Locust's
def _check(environment: Any, **_: object) -> None:
    """End before the first user where the words of the command line make no sense; a page may give a host."""
    options = environment.parsed_options
    # Locust shows what libraries say: a line for each request, and what an endpoint has said in it
    hush_libraries()
    try:
        load_workload(options.workload)
        if environment.host or options.headless:
            connection_to(_target(environment.host, options), os.environ)
    except LikewiseError as error:
        sys.stderr.write(f"Error: {error.happened}\n       {error.next_step}\n")
        # Locust takes any other exception of a listener for a message to log
        sys.exit(error.exit_code)


_tallies: dict[str, Tally] = {}


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust's
def _add_options(parser: Any) -> None:
    parser.add_argument("--model", default="default", help="The model to ask.")
    parser.add_argument("--api-key-env", default="", help="The environment variable that holds the key.")
    parser.add_argument("--workload", default="short-chat", help="The name of a workload, or a TOML file.")
    parser.add_argument("--mode", default="stream", choices=[mode.value for mode in Mode])


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # Locust's
def _tell(**_: object) -> None:
    """Print what Locust's two digits can't say."""
    for tally in _tallies.values():
        lasted_s = (time.monotonic_ns() - tally.started_ns) / NS
        told = figures(tally, until_s=lasted_s)
        if told.requests and not told.outcomes.get("ok"):
            reason = next(iter(told.details), "")
            sys.stdout.write(f"{tally.client}: none of {told.requests:,} requests succeeded. {reason}\n")
            if "HTTP 401" in reason:
                sys.stdout.write("Name the variable that holds the key with --api-key-env.\n")
        for name in ("ttft_ms", "itl_ms", "total_ms"):
            if name in told.figures:
                statistics = told.figures[name].statistics
                values = "  ".join(f"{key} {statistics[key].value:,.2f}" for key in ("p50", "p95", "p99"))
                sys.stdout.write(f"{tally.client} {name}: {values}\n")
