"""A loop over httpx's lines, as one writes it to measure an endpoint: URL, users, seconds."""

import asyncio
import json
import sys
import time

import httpx

BODY = {
    "model": "standin-fast",
    "messages": [{"role": "user", "content": "Who are you?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


async def ask(client: httpx.AsyncClient, number: int) -> dict[str, object]:
    """One request's start, time to first token and number."""
    began_ns = time.monotonic_ns()
    ttft_ms = None
    headers = {"X-Client-Request-Id": str(number)}
    async with client.stream("POST", "/chat/completions", json=BODY, headers=headers) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                if ttft_ms is None and choices and choices[0]["delta"].get("content"):
                    ttft_ms = (time.monotonic_ns() - began_ns) / 1e6
    return {"start_ns": began_ns, "ttft_ms": ttft_ms, "client_request_id": str(number)}


async def main(base_url: str, streams: int, seconds: float) -> None:
    """Keep so many requests in flight, and print a line for each."""
    until = time.monotonic() + seconds
    numbers = iter(range(sys.maxsize))
    # Without this, httpx would have a hundred connections and let the other users wait.
    limits = httpx.Limits(max_connections=None)

    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=60) as client:

        async def user() -> None:
            while time.monotonic() < until:
                print(json.dumps(await ask(client, next(numbers))))  # noqa: T201  # the program's result

        await asyncio.gather(*(user() for _ in range(streams)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
