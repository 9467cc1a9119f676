"""A process that another one of this project has started, and that must not outlive it."""

import os
import threading
import time

_LOOK_EACH_S = 0.5


def end_with_parent() -> None:
    """End this process soon after the one that has started it, however that ended."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_LOOK_EACH_S)
    os._exit(1)
