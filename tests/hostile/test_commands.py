"""`likewise check` on hostile endpoints: its exit code, one sentence or a report, in time, in little room."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import run
from tests.hostile.behaviour import DONE, behaviours, chunk, events, message, plain, wait
from tests.hostile.meeting import unfit
from tests.servers import Answer, by_mode, server

_ANSWERS = {one.name: one.answer for one in behaviours()}

_COMMAND = """
import sys
from harness.cli import main
try:
    main()
finally:
    sys.stdout.flush()
    most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    print(int(most.split()[1]) // 1024, file=sys.stderr)
"""
"""The command, and how many MiB it had at most; a line of its own behind what it says.

`getrusage` would count what the process that started it had before, too.
"""

_BARE_MIB = 200
"""Python with all libraries loaded has less."""


def checked(answer: Answer, folder: Path, *options: str) -> tuple[int, str, str, int]:
    """Exit code, output, errors and most MiB of a check."""
    with server(answer) as base_url:
        command = [sys.executable, "-c", _COMMAND, "check", "--base-url", base_url, "--model", "m"]
        ended = subprocess.run(
            [*command, "--out", str(folder), *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    errors, _, room_mib = ended.stderr.rstrip("\n").rpartition("\n")
    return ended.returncode, ended.stdout, errors, int(room_mib)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("never_answers", "did not answer in time: silent for 0.3 s before an answer began."),
        ("is_silent_after_its_head", "and then no answer: silent for 0.3 s after the head."),
        ("has_a_chunk_size_that_is_none", "and then no answer: a chunk size that is none: 'zz"),
        ("has_headers_without_end", "sent more than anybody reads: the head passed 65,536 bytes."),
        ("says_what_acts_in_its_refusal", "⟨U+202E⟩evil⟨U+2066⟩"),
        ("is_busy_for_a_century", "it is busy, and asks to come again in days."),
    ],
)
def test_what_gives_nothing_to_judge_is_said_in_one_sentence(
    name: str, sentence: str, tmp_path: Path
) -> None:
    code, output, errors, _ = checked(_ANSWERS[name], tmp_path, "--timeout", "0.3")
    assert code == 3
    assert sentence in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert not unfit(output + errors)


@pytest.mark.parametrize(
    "name", ["gzip_bomb", "has_a_text_of_megabytes", "sends_chunks_for_ever", "nests_ten_thousand_deep"]
)
def test_no_answer_fills_the_memory(name: str, tmp_path: Path) -> None:
    code, output, errors, room_mib = checked(_ANSWERS[name], tmp_path, "--profile", "smoke")
    assert code == 1
    assert not errors
    assert not unfit(output)
    assert room_mib < _BARE_MIB + 300


def _silent_in_streams() -> Answer:
    return by_mode(
        lambda connection, _: plain(connection, message('"Hi"')),
        lambda connection, _: (events(connection), wait(connection))[0],
    )


def _slow() -> Answer:
    def answer(connection: object, _: bytes) -> None:
        time.sleep(0.3)
        events(connection, chunk('{"content":"Hi"}', '"stop"'), DONE)  # type: ignore[arg-type]

    return answer


def test_a_check_ends_when_its_time_is_up_and_says_so(tmp_path: Path) -> None:
    began_s = time.monotonic()
    code, output, errors, _ = checked(_slow(), tmp_path, "--max-duration", "3", "--clients", "raw")
    made = run.load(tmp_path)
    assert code == 1
    assert not errors
    assert time.monotonic() - began_s < 60
    assert any("the 3 s of --max-duration were over after" in clause for clause in made.partial)
    assert 0 < len(made.requests) < 60
    assert not made.is_complete
    assert not unfit(output)


def test_a_check_that_mostly_waits_is_given_up(tmp_path: Path) -> None:
    options: Sequence[str] = ("--timeout", "0.2", "--clients", "raw", "--concurrency", "8")
    code, output, _, _ = checked(_silent_in_streams(), tmp_path, *options)
    made = run.load(tmp_path)
    assert code == 1
    assert any("given up after" in clause and "silent for 0.2 s" in clause for clause in made.partial)
    assert not unfit(output)
