"""Starts a program, and sees to it that nothing of it outlives the process that asked for it.

    python guard.py PID COMMAND...

Run by its path, before anything of this project is imported. The program has this process's streams and a
process group of its own, which is killed when the program ends, when this process is told to end (SIGTERM),
and when the process with this PID has gone, however it went.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

_LOOK_EACH_S = 0.05


def _main(parent_pid: int, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        program = subprocess.Popen(command, process_group=0)  # noqa: S603  # the user's own command
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    # The program's end must be the end of its streams.
    os.close(0)
    os.close(1)
    try:
        while program.poll() is None and os.getppid() == parent_pid:
            time.sleep(_LOOK_EACH_S)
    finally:
        with suppress(OSError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
    return program.returncode


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), sys.argv[2:]))
