"""The child process: llama.cpp's own HTTP server, until standard input ends.

Run as `python -P llama_server.py WEIGHTS TEMPLATE PORT`. It prints the server's address when it is ready to
answer. Standard input is the parent's end of a pipe: however the parent goes, the server goes with it.
"""

import sys
from importlib import import_module
from pathlib import Path

MODEL = "gemma-3-270m"
"""The name that GET /models gives."""

_THREADS = 1
"""More of them wait for each other in a spin, and so for the harness wherever it needs a core as well."""

_SLOTS = 2
_CONTEXT_TOKENS = 4096
"""Of each slot."""

_MAX_ANSWER_TOKENS = 128
"""Of a request that names no maximum: a base model does not always find an end."""

_NEXT_TURN = ["\nUser:", "\nSystem:", "\nTool:"]
"""Where the model speaks for somebody else, its turn is over; a request's own `stop` takes their place."""

_ERRORS_ONLY = 1


def main(weights: str, template: str, port: str) -> None:
    """Serve the weights on 127.0.0.1; port 0 takes a free one."""
    try:
        xllamacpp = import_module("xllamacpp")
    except ImportError as error:
        sys.exit(f"llama.cpp can't be loaded: {error}")
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {MODEL}
    params.chat_template = Path(template).read_text(encoding="utf-8")
    params.antiprompt = _NEXT_TURN
    params.n_predict = _MAX_ANSWER_TOKENS
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _CONTEXT_TOKENS
    params.cpuparams.n_threads = _THREADS
    params.cpuparams_batch.n_threads = _THREADS
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.verbosity = _ERRORS_ONLY
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
