"""The likewise.toml that `likewise init` writes."""

from harness.target import CAPABILITIES


def _first_file() -> str:
    width = max(map(len, CAPABILITIES))
    capabilities = "\n".join(f"#   {name:{width}}  {sentence}" for name, sentence in CAPABILITIES.items())
    return f"""\
# Targets of `likewise`: one table for each endpoint, used as `likewise check NAME`.
# Keys never stand in this file: api_key_env names the environment variable that holds one.

[targets.production]
preset = "dashscope"                 # takes over what is not said here; `likewise targets` lists the presets
region = "beijing"                   # one of the preset's regions
model = "qwen-plus"
api_key_env = "DASHSCOPE_API_KEY"

# An endpoint of your own, without a preset:
#
# [targets.gateway]
# base_url = "http://127.0.0.1:4000/v1"
# model = "your-model"
# api_key_env = "GATEWAY_API_KEY"    # leave it out if the endpoint needs no key
# dialect = "openai"                 # what it is known to do differently: openai or dashscope
# claims = ["tools", "stop"]         # what it must be able to do; anything else may be refused cleanly
#
# A deviation that you accept, for a reason and for a time:
#
# [[targets.gateway.waivers]]
# rule = "the-rule-id"               # as a report names it, or `likewise rules`
# pointer = "/choices/*/message/content"
# reason = "why it does not matter to you"
# expires = 2027-01-31

# What a target can claim:
#
{capabilities}
"""


FIRST_FILE: str = _first_file()
"""The likewise.toml that `likewise init` writes."""
