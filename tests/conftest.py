"""What holds for all tests."""

import os
import signal

from hypothesis import settings

# No test looks at the clock. In CI the examples are always the same, so that a change is judged by itself.
settings.register_profile("likewise", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("likewise")

# A shell lets what it runs in the background ignore Ctrl-C, and so would each command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
