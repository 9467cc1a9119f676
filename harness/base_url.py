"""Base URLs: what clients can put a path behind, and what is said of what they can't."""

import re
from urllib.parse import parse_qsl, urlsplit

from harness.errors import BadBaseUrlError
from harness.toml_table import shown_value

_OPERATIONS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
EXAMPLE_URL = "https://api.openai.com/v1"
# What RFC 3986 (appendix A) has no place for: blanks, control characters, all outside ASCII, and a few more.
_NOT_IN_A_URL = re.compile(r'[^!-~]|["<>\\^`{|}]')


def split_base_url(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its query, and the query, which goes with every request; raises BadBaseUrlError."""
    front, _, query = url.partition("?")
    checked = checked_base_url(front)
    if misplaced := _NOT_IN_A_URL.search(query):
        raise _misplaced(misplaced[0])
    pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
    if "#" in query or len(dict(pairs)) < len(pairs):
        raise BadBaseUrlError(
            "The query of the base URL has a fragment, or a name more than once.",
            "Give the base URL without its query, and the query's values by themselves.",
        )
    return checked, dict(pairs)


def checked_base_url(url: str) -> str:
    """The URL without trailing slashes, if clients can put a path behind it; it need not end on /v1.

    Raises BadBaseUrlError, which never shows a part of the URL that may be secret.
    """
    if misplaced := _NOT_IN_A_URL.search(url):
        raise _misplaced(misplaced[0])
    try:
        parts = urlsplit(url)
        _ = parts.port  # urlsplit looks at the port only when it is asked for
    except ValueError:
        raise BadBaseUrlError(
            "The base URL has a host or a port that is not valid.",
            f"Correct it; a base URL looks like {EXAMPLE_URL}",
        ) from None
    scheme, separator, _ = url.partition("://")
    trimmed = url.rstrip("/")
    operation = next((known for known in _OPERATIONS if trimmed.lower().endswith(known)), "")
    faults = (
        (
            not separator,
            "has no scheme",
            'Put "https://" in front of it, or "http://" for a server on your own machine.',
        ),
        (
            scheme.lower() not in ("https", "http"),
            "has a scheme other than https and http",
            "Use https or http.",
        ),
        (
            "@" in parts.netloc,
            "holds a user name or a password",
            "Take it out, put the key into an environment variable, and give that variable's name.",
        ),
        ("#" in url, "has a fragment, into which clients would write their paths", 'Cut it off at the "#".'),
        (not parts.hostname, "has no host", f"Write it in full; a base URL looks like {EXAMPLE_URL}"),
        (
            operation != "",
            f"ends on {operation}, which clients add by themselves",
            f"Use {trimmed[: len(trimmed) - len(operation)].rstrip('/')}",
        ),
    )
    for is_at_fault, happened, next_step in faults:
        if is_at_fault:
            raise BadBaseUrlError(f"The base URL {happened}.", next_step)
    return trimmed


def _misplaced(character: str) -> BadBaseUrlError:
    return BadBaseUrlError(
        f"The base URL holds the character {shown_value(character)}, which no URL has.",
        f"Take it out; a base URL looks like {EXAMPLE_URL}",
    )
