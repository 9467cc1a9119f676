"""A Locust user that reads a stream by FastHttpUser's own `iter_lines`."""

import itertools
import json
import time

from locust import FastHttpUser, constant, task

BODY = {
    "model": "standin-fast",
    "messages": [{"role": "user", "content": "Who are you?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
NUMBERS = itertools.count()


class Visitor(FastHttpUser):
    """Asks again and again, and prints a line for each answer."""

    wait_time = constant(0)

    @task
    def chat(self) -> None:
        """Ask, and note when the first token came."""
        number = str(next(NUMBERS))
        began_ns = time.monotonic_ns()
        ttft_ms = None
        lines = self.client.iter_lines(
            "/v1/chat/completions", "POST", json=BODY, headers={"X-Client-Request-Id": number}
        )
        for line in lines:
            if line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                if ttft_ms is None and choices and choices[0]["delta"].get("content"):
                    ttft_ms = (time.monotonic_ns() - began_ns) / 1e6
        told = {"start_ns": began_ns, "ttft_ms": ttft_ms, "client_request_id": number}
        print(json.dumps(told))  # noqa: T201  # the program's result
