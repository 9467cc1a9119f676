"""A process that another one of this project has started, and that must not outlive it."""

import os
import threading
import time

_LOOK_EACH_S = 0.5


def await_end_of(parent_pid: int) -> None:
    """Wait until the process that has started this one has ended, however it did; greenlets go on."""
    while os.getppid() == parent_pid:
        time.sleep(_LOOK_EACH_S)


def end_with_parent() -> None:
    """End this process soon after the one that has started it.

    Not for a process that gevent is to patch: that hangs where a thread runs already.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent_pid: int) -> None:
    await_end_of(parent_pid)
    os._exit(1)
