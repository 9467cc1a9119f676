"""Other load tools, measured beside our own: each module here that has a `PEER` is one.

A module says what to install, how to have the tool make load, and how to read what it reports. `make bench`
finds it by its file.
"""
