"""Locust users for an OpenAI-compatible endpoint.

    locust -f loadtests/locustfile.py RawUser --host http://127.0.0.1:8000/v1 --model my-model

`likewise load` measures with the same clients, on a schedule of its own and with reports.
"""

from harness.load.locust_users import ChatUser


class RawUser(ChatUser):
    """Raw HTTP, at the kernel's times."""

    client_name = "raw"


class OpenAIUser(ChatUser):
    """The OpenAI SDK."""

    client_name = "openai"


class LangChainUser(ChatUser):
    """langchain_openai."""

    client_name = "langchain"
