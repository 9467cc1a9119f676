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
# models = {{ embeddings = "your-embedding-model", vision = "your-vision-model" }}
# params = {{ enable_thinking = false }}       # fields of every request's body
# headers = {{ "X-Org" = {{ env = "ORG_ID" }} }}  # a value, or the variable that holds it
# query = {{ api-version = "2024-10-21" }}     # of every URL
# auth = "bearer"                    # or "api-key" (Azure's header), or "none"
# timeout_s = 60                     # the longest silence
# ca_bundle = "company-ca.pem"       # in place of the system's certificates; relative to this file
# client_cert = {{ cert = "me.pem", key = "me-key.pem" }}
# proxy = "http://proxy.example:3128"
# allow_plaintext_key = true         # let the key go to a public host by http://
# retries = 2                        # how often a request is asked again after 429 or 503
# rpm = 60                           # at most so many requests a minute
# concurrency = 4                    # so many at a time
# price = {{ input_per_million = 0.4, output_per_million = 1.2, currency = "USD" }}
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
