"""A Locust user that reads a stream by the `iter_lines` of requests."""

import itertools
import json
import time

from locust import HttpUser, constant, task

BODY = {
    "model": "standin-fast",
    "messages": [{"role": "user", "content": "Who are you?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
NUMBERS = itertools.count()


class Visitor(HttpUser):
    """Asks again and again, and prints a line for each answer."""

    wait_time = constant(0)

    @task
    def chat(self) -> None:
        """Ask, and note when the first token came."""
        number = str(next(NUMBERS))
        began_ns = time.monotonic_ns()
        ttft_ms = None
        headers = {"X-Client-Request-Id": number}
        response = self.client.post("/v1/chat/completions", json=BODY, headers=headers, stream=True)
        for line in response.iter_lines():
            if line.startswith(b"data: {"):
                choices = json.loads(line[6:])["choices"]
                if ttft_ms is None and choices and choices[0]["delta"].get("content"):
                    ttft_ms = (time.monotonic_ns() - began_ns) / 1e6
        told = {"start_ns": began_ns, "ttft_ms": ttft_ms, "client_request_id": number}
        print(json.dumps(told))  # noqa: T201  # the program's result
