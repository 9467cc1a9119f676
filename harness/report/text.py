"""Text of strangers, made fit to be shown: nothing in it acts, nothing in it hides, nothing is endless.

Endpoints and models say anything: terminal escapes, bidirectional overrides, text without end. Escaping for
the format itself (HTML, XML, Markdown, rich) is left to the format.
"""

from harness.visible import visible


def one_line(text: str, limit: int) -> str:
    """The first `limit` characters, all of them visible, on one line; says how many more there are."""
    if len(text) <= limit and text.isprintable():
        return text
    return visible(text[:limit]) + _rest(text, limit)


def many_lines(text: str, limit: int) -> str:
    """As `one_line`, with line feeds and tabs left as they are."""
    return visible(text[:limit], kept="\n\t") + _rest(text, limit)


def command(curl: str, limit: int) -> str:
    """A curl line that can be copied as it is shown.

    What is not printable becomes a JSON escape, which in a JSON body means the same. A line longer than
    `limit` characters would repeat nothing when cut, so a shell comment stands for it.
    """
    if len(curl) > limit:
        return f"# too long to show ({len(curl):,} characters): run.json has it"
    if curl.isprintable():
        return curl
    return "".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in curl)


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 rule`, `1,079 rules`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _rest(text: str, limit: int) -> str:
    return f"… ({len(text) - limit:,} more characters)" if len(text) > limit else ""


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
