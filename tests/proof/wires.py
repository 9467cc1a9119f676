"""The exact bytes that each departure changes, as they cross a socket.

One golden text for each file of departures. `python -m tests.proof.wires` writes them anew; what changed in
them has to be read before it is kept.
"""

import hashlib
import itertools
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from unittest import mock
from urllib.parse import urlsplit

import orjson

from harness import content
from harness.endpoint import faults as fault_files
from harness.endpoint import server, stamp
from harness.endpoint import variations as variation_files
from harness.endpoint.departure import Departure, departures_in
from harness.endpoint.dialects import DIALECTS
from harness.endpoint.faults import faults
from harness.endpoint.log import Log
from harness.endpoint.settings import Settings
from harness.endpoint.variations import variations
from harness.scenario import PATHS, Ask, Http, Mode

FOLDER = Path(__file__).parent / "golden"

_NOW_S = 1_764_000_000.0
_UNIQUE = "U" * 29
_EXCERPT = 60
_SIZES = re.compile(rb"content-length: \d+\r\n|(?<=\r\n)[0-9a-f]+(?=\r\n)")
"""The sizes of bodies and chunks, which differ whenever anything does."""
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "tool-result": "content-null",
        "tool-result-streamed": "tool-call",
        "response-replay": "response-items",
        "response-next-turn": "response-story",
        "response-kept": "response-story",
    }
)
"""A turn that goes on from an answer, and a request like it that needs none."""
_REPLAY = b'"input":[{"id":"msg_1","type":"message","role":"user","content":"Say pong."}]'


def texts() -> Mapping[str, str]:
    """The golden text of every file of departures, by the file's name."""
    return {f"{name}.txt": text(f"{name}.txt") for name in by_file()}


def text(name: str) -> str:
    """The golden text of one file."""
    with _still() as port:
        return "".join(_told(port, one) for one in by_file()[name.removesuffix(".txt")])


@cache
def by_file() -> Mapping[str, list[Departure]]:
    """Departures by the name of the file in which they stand."""
    modules = [
        getattr(package, name)
        for package in (fault_files, variation_files)
        for name in _names(package)
        if faults() and variations()  # which imports them
    ]
    return {module.__name__.rpartition(".")[2]: list(departures_in([module])) for module in modules}


def _names(package: ModuleType) -> list[str]:
    return sorted(path.stem for path in Path(str(package.__file__)).parent.glob("[a-z]*.py"))


def _told(port: int, one: Departure) -> str:
    for request in requests_of(one):
        before, after = wire(port, request, ()), wire(port, request, (*one.beside, one.id))
        if before != after:
            return _entry(one, request, before, after)
    return f"== {one.id}\n   no byte differs: it shows in the times, or in the turn after\n"


def _entry(one: Departure, request: bytes, before: bytes, after: bytes) -> str:
    """Where the bytes first differ, in two excerpts, and a digest of all that came."""
    line = request.partition(b"\r\n")[0].decode()
    size, digest = len(after), hashlib.sha256(after).hexdigest()[:16]
    before, after = (_SIZES.sub(b"", sent) for sent in (before, after))
    mode = "stream" if b'"stream":true' in request else "plain"
    start = next(
        (place for place, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]),
        min(len(before), len(after)),
    )
    return (
        f"== {one.id}\n   {line} ({mode})\n"
        f"   after  {_shown(before[max(0, start - _EXCERPT) : start])}\n"
        f"   -      {_shown(before[start : start + _EXCERPT])}\n"
        f"   +      {_shown(after[start : start + _EXCERPT])}\n"
        f"   {size} bytes, sha256 {digest}\n"
    )


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace").encode("unicode_escape").decode()


# --- one request over a socket ---


def requests_of(one: Departure) -> Iterator[bytes]:
    """What is sent where a departure shows: scenario by scenario, plain and streamed."""
    for scenario_id in one.shows:
        scenario = content.scenarios()[_INSTEAD.get(scenario_id, scenario_id)]
        for mode in scenario.modes:
            match scenario.ask:
                case Http(method, path, body, key):
                    yield _request(method, path, body, key)
                case Ask(operation):
                    params = {"model": _model(operation), **scenario.ask.params_for(mode)}
                    if mode is Mode.STREAM:
                        params["stream"] = True
                    method = "GET" if operation == "models" else "POST"
                    sent = b"" if operation == "models" else orjson.dumps(params)
                    if scenario_id == "response-replay":
                        sent = re.sub(rb'"input":\[.*?\}\]\}\]', _REPLAY, sent)
                    yield _request(method, PATHS[operation], sent, "right")
                case _:
                    raise AssertionError(f"{scenario_id} needs an answer to go on from")


def _model(operation: str) -> str:
    dialect = DIALECTS["openai"]
    return dialect.embedding_model if operation == "embeddings" else dialect.model


def _request(method: str, path: str, body: bytes, key: str) -> bytes:
    model = DIALECTS["openai"].model
    keys = {"right": Settings().key, "wrong": "sk-likewise-wrong-0123456789"}
    authorization = f"authorization: Bearer {keys[key]}\r\n" if key in keys else ""
    body = body.replace(b"{model}", model.encode())
    head = (
        f"{method} /v1{path.replace('{model}', model)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"accept-encoding: gzip, deflate\r\n{authorization}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Apps(server.App):
    """The endpoint's application, with its departures given anew for each request."""

    latest: "_Apps"

    def __init__(self, settings: Settings, log: Log | None) -> None:
        super().__init__(settings, log)
        _Apps.latest = self

    def depart(self, names: tuple[str, ...]) -> None:
        """From now on depart in these ways, as an endpoint that has just been started."""
        self._departures = Settings(faults=names).departures
        self._ordinals = itertools.count()


@contextmanager
def _still() -> Iterator[int]:
    """The port of an endpoint whose clock stands and whose answers all have one id."""
    fixed = replace(DIALECTS["openai"], new_id=lambda: _UNIQUE)
    with (
        mock.patch.object(server, "DIALECTS", {"openai": fixed}),
        mock.patch.object(server, "App", _Apps),
        mock.patch.object(stamp.time, "time", return_value=_NOW_S),
        server.running() as address,
    ):
        yield urlsplit(address.base_url).port or 0


def wire(port: int, request: bytes, names: tuple[str, ...]) -> bytes:
    """All bytes that answer a request, chunk borders among them; only the date is left out."""
    _Apps.latest.depart(names)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sent:
        sent.sendall(request)
        got = bytearray()
        while data := sent.recv(65536):
            got += data
    return re.sub(rb"\r\ndate: [^\r]*", b"", bytes(got), flags=re.IGNORECASE)


def main() -> None:
    """Write the golden texts."""
    FOLDER.mkdir(exist_ok=True)
    for name, told in texts().items():
        (FOLDER / name).write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
