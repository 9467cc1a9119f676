"""Bad input of `likewise load`: one clear sentence and exit code 2, before anything is asked."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import UsageError
from harness.load.asked import check_consent
from harness.target import ad_hoc

_GOOD = 'sentence = "S."\nuser = "Hello."\n'
_ELSEWHERE = "http://192.0.2.1/v1"


Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command says that ends with exit code 2, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def said_of(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["likewise", *arguments])
        with pytest.raises(SystemExit) as raised:
            main()
        out, err = capsys.readouterr()
        assert (raised.value.code, out) == (2, "")
        assert "Traceback" not in err
        assert "\x1b" not in err
        return err

    return said_of


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--base-url", _ELSEWHERE, "--model", "m"), "is not on this machine"),
        (("--base-url", _ELSEWHERE, "--model", "m"), "Add --yes, or name it in likewise.toml"),
        (("--base-url", "nonsense", "--model", "m"), "has no scheme"),
        (("nonsuch",), "nonsuch"),
        (("--workload", "nonsuch"), "nonsuch"),
        (("--workload", "none.toml"), "none.toml: the file can't be read"),
        (("--arrivals", "sometimes:5"), "sometimes"),
        (("--arrivals", "poisson"), "no kind of arrivals stands before a colon"),
        (("--arrivals", "users:0"), "no number of users"),
        (("--arrivals", "users:-3"), "no number of users"),
        (("--arrivals", "constant:fast"), '"fast" is no rate'),
        (("--arrivals", "constant:0"), "no request is ever due"),
        (("--arrivals", "poisson:10,20"), "needs a duration"),
        (("--arrivals", "gamma(x):10"), "the coefficient of variation is no number"),
        (("--arrivals", "trace:none.csv"), "none.csv: the trace can't be read"),
        (("--arrivals", "trace:"), "no file is named"),
        (("--arrivals", "poisson:10--5/3s"), "is no rate"),
        (("--arrivals", "trace:."), "the trace can't be read: Is a directory"),
        (("--slo", "speed<5"), "speed"),
        (("--slo", "ttft<5ms"), "needs one of"),
        (("--slo", "ttft.p95<5"), "a number with its unit"),
        (("--slo", "errors<nan%"), "a number with its unit"),
        (("--slo", ""), 'The objective "" is unclear'),
        (("--slo", "errors<200%"), "everything keeps it"),
        (("--find-max", "errors"), "The objective"),
        (("--find-max", ""), 'The objective "" is unclear'),
        (("--sweep", ""), "The levels"),
        (("--sweep", "2,2"), "A level stands twice"),
        (("--sweep", "1,2000000", "--arrivals", "constant:1"), "a rate is above 1,000,000 a second"),
        (("--sweep", "1", "--arrivals", "trace:one.csv"), "one.csv"),
        (("--sweep", "1,x"), "The levels"),
        (("--sweep", "0"), "The levels"),
        (("--sweep", "1.5,2", "--arrivals", "users:1"), "there are only whole ones"),
        (("--sweep", "1", "--find-max", "errors<1%"), "not both"),
        (("--sweep", "1", "--arrivals", "constant:1/5s,2"), "needs arrivals of one rate"),
        (("--find-max", "errors<1%", "--clients", "raw,openai"), "goes by one client"),
        (("--cap", "4", "--arrivals", "users:8"), "have no cap"),
        (("--cap", "0"), "--cap"),
        (("--cap", "1", "--arrivals", "constant:9", "--processes", "2"), "can't share a cap of 1"),
        (("--clients", "curl"), "curl"),
        (("--clients", "raw,raw"), "The clients are raw, raw."),
        (("--clients", ""), "The clients are none."),
        (("--mode", "plain,stream"), "has one mode"),
        (("--mode", "loud"), 'and "loud" is none.\n       Choose plain or stream.'),
        (("--duration", "2"), "nothing to measure"),
        (("--duration", "inf"), "has an end"),
        (("--duration", "nan"), "--duration"),
        (("--duration", "-1"), "--duration"),
        (("--duration", "long"), "--duration"),
        (("--warm-up", "-1"), "--warm-up"),
        (("--timeout", "inf"), "--timeout inf: expected seconds"),
        (("--timeout", "0"), "--timeout 0: expected seconds"),
        (("--header", "X-Key=a\nb"), '--header "X-Key": expected a header\'s value'),
        (("--format", "pdf"), "There is no format 'pdf'"),
        (("--processes", "0"), "--processes"),
        (("--master", "1", "--processes", "2"), "Leave out --processes"),
        (("--worker", "--master-port", "70000"), "65535"),
        (("--worker", "--master", "1"), "nothing from --master"),
        (("--worker", "--sweep", "1,2"), "nothing from --sweep"),
        (("--worker", "reference"), "nothing from TARGET"),
        (("--web", "0"), "--web"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], what: str, said: Said) -> None:
    assert what in said("load", *arguments)
    assert not any(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (_GOOD + "colour = 1\n", "mine.toml:3: colour"),
        (_GOOD + "turns = 'many'\n", "mine.toml:3: turns"),
        (_GOOD + "output_tokens = -5\n", "mine.toml:3: output_tokens"),
        (_GOOD + "prompt_tokens = { uniform = [9, 1] }\n", "mine.toml:3: prompt_tokens.uniform"),
        (_GOOD + "prompt_tokens = { lognormal = [300, 1e3] }\n", "the median, and sigma up to 10"),
        (_GOOD + "prompt_tokens = { normal = [300, 1e308] }\n", "at most 1,000,000"),
        (_GOOD + "prompt_tokens = { uniform = [1, 1e300] }\n", "at most 1,000,000"),
        (_GOOD + "objectives = ['speed<1']\n", "mine.toml:3: objectives"),
        (_GOOD + "[params]\nmodel = 'other'\n", "mine.toml:4: params.model"),
        (_GOOD + "=\n", "mine.toml:3"),
        ("user = 'Hello.'\n", "sentence"),
        ("\x00\x1b[2J", "mine.toml:1"),
    ],
)
def test_a_mistake_in_a_workload_is_told_with_its_line(text: str, what: str, said: Said) -> None:
    Path("mine.toml").write_text(text)
    assert what in said("load", "--workload", "mine.toml")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"timestamp,prompt_tokens,output_tokens\n2,1,1\n1,1,1\n", "mine.csv:3: timestamp goes back by 1 s"),
        (b"timestamp,prompt_tokens\n1,1\n", 'mine.csv:2: the columns are "timestamp, prompt_tokens"'),
        (b"timestamp,prompt_tokens,output_tokens\n1,1\n", "mine.csv:2: 2 values stand under 3 names"),
        (b"timestamp,prompt_tokens,output_tokens\n", "there is no request"),
        (b"", "mine.csv:1"),
        (b'{"timestamp": 1, "input_length": "x"', "mine.csv:1: this is not a JSON object"),
        (
            b'{"timestamp": 1, "input_length": 1, "output_length": 1, "hash_ids": 3}',
            "no list of whole numbers",
        ),
        (b"\x1b[2J,\x1b]0;x\x07\n1,2\n", "mine.csv:2: the columns are"),
        (b"\xff\xfe\x00", "the trace is not UTF-8 text"),
    ],
)
def test_a_mistake_in_a_trace_is_told_with_its_line(text: bytes, what: str, said: Said) -> None:
    Path("mine.csv").write_bytes(text)
    assert what in said("load", "--arrivals", "trace:mine.csv")


@pytest.mark.parametrize("option", [("--fault", "cn-first"), ("--dialect", "dashscope")])
def test_the_fast_lane_has_neither_faults_nor_dialects(option: tuple[str, str], said: Said) -> None:
    told = said("serve", "--fast", "tokens=2", *option)
    assert "The fast lane has neither the faults nor the dialects of the full endpoint." in told
    assert "Leave out --fault and --dialect" in told


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["y\n", "YES\n", "n\n", ""])
def test_at_a_terminal_its_user_is_asked(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    target = ad_hoc(_ELSEWHERE, "m", None)
    if answer.lower().startswith("y"):
        check_consent(target, None, has_consented=False)
    else:
        with pytest.raises(UsageError, match="is not on this machine"):
            check_consent(target, None, has_consented=False)
    assert "Make load there? [y/N]" in capsys.readouterr().out


def test_who_has_named_a_target_or_said_yes_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.target import load

    monkeypatch.chdir(tmp_path)
    check_consent(ad_hoc(_ELSEWHERE, "m", None), None, has_consented=True)
    Path("likewise.toml").write_text(f'[targets.mine]\nbase_url = "{_ELSEWHERE}"\nmodel = "m"\n')
    check_consent(load(None)["mine"], None, has_consented=False)
