"""The machine of likewise: conformance tests and benchmarks for OpenAI-compatible endpoints."""

__version__ = "0.1.0"
