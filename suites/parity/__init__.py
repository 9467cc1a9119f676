"""The streamed answer against the plain one."""
