"""Mutated sweep files: each is read, or refused with a place, within seconds.

What is wrong: an exception that is no SweeperError, an answer that takes too long, a complaint
about the file that does not say where.
"""

from __future__ import annotations

import contextlib
import io
import re
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from sweeper.cli.main import cli
from sweeper.errors import SpecError, SweeperError
from sweeper.wording import printable

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "sweeps", ROOT.parent / "shared/corpus/wandb")
MOST_SECONDS = 10
COMMANDS = (
    ("check", "{}", "--spec-only"),
    ("plan", "{}", "--storage", "{storage}"),
    ("convert", "{}", "--to", "wandb"),
)
BITS = (
    *("9" * 400, "-1", "0", "1e999", "1e308", ".nan", "0x" + "f" * 5000, "1e-320", "010", "0.1"),
    *("null", "true", "~", "''", "[]", "{}", "[1, [2]]", "{a: {b: 1}}", "&x [*x]", "*x", "<<: *x"),
    *(": {x: 1}", "~nouser/x", "n" * 5000, "[" * 200, "{a: " * 200, "\t", "\r", "\x1b[31m", "\x00"),
    *("\ud800", "\u2028", "é", "\ufeff", "!!python/object:os.system x", "!!set {a}", "2020-01-01"),
    *("a" + "+a" * 1998 + ">3", "not a", "a in [1, 2]", "a ** a ** a", "min(a, b) / 0 > 1"),
    *("min", "max", "q", "values", "value", "distribution", "probabilities", "when", "parameters"),
    *("method: grid", "method: bayes", "base: {a: 1}", "zip: [[a, b]]", "constraints: ['a > b']"),
    *("early_terminate: {type: hyperband, min_iter: 1}", "run_cap: 3", "repeats: 2", "- ", "? a"),
    *("log_uniform", "q_beta", "int_uniform", "budget: {wall: 1h}", "monitored: [a]"),
    "trials: [{}]",
)  # fmt: skip
_WORD = re.compile(r"[^\s:,{}\[\]]+")
_PLACE = re.compile(r"\.yaml:\d+:\d+: ")


class TooSlow(BaseException):
    """The time for one file is over."""


def corpus() -> list[str]:
    """The sweep files to begin with."""
    files = [file for source in SOURCES for file in sorted(source.glob("*.yaml"))]
    return [file.read_text(encoding="utf-8", errors="replace") for file in files]


def mutated(text: str, random: Random, others: list[str]) -> str:
    """``text`` with some changes to its characters, words and lines."""
    for _ in range(random.randint(1, 4)):
        lines = text.split("\n")
        place = random.randrange(len(lines))
        change = random.randrange(7)
        if change == 0:
            at = random.randrange(len(text) + 1)
            text = text[:at] + random.choice(BITS) + text[at + random.randint(0, 3) :]
            continue
        if change == 1:
            words = list(_WORD.finditer(text))
            if words:
                word = random.choice(words)
                text = text[: word.start()] + random.choice(BITS) + text[word.end() :]
            continue
        if change == 2:
            del lines[place]
        elif change == 3:
            lines.insert(random.randrange(len(lines) + 1), lines[place])
        elif change == 4:
            lines[place] = random.choice(("  ", "\t", " ")) + lines[place]
        elif change == 5:
            lines.insert(place, random.choice(random.choice(others).split("\n")))
        else:
            lines[place : place + 1] = [lines[place]] * random.choice((2, 50))
        text = "\n".join(lines)
    return text


def failure(text: str, directory: Path, command: tuple[str, ...]) -> str | None:
    """What is wrong with the answer to this file; None if nothing is."""
    file = directory / "sweep.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    words = [word.format(file, storage=directory / "storage") for word in command]
    if words[0] == "plan":
        words += ["-n", "20"]
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            _at_most(MOST_SECONDS),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            cli.main(words, "sweeper", standalone_mode=False)
    except SpecError as error:
        wanted = any(problem.path and problem.line for problem in error.problems)
        return None if wanted else f"a complaint without a place: {error}"
    except SweeperError:
        return None
    except TooSlow:
        return f"no answer within {MOST_SECONDS} s"
    except Exception:
        return traceback.format_exc()
    return None


@contextlib.contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def over(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(seed: int, goes_on: Callable[[int], bool]) -> tuple[int, list[tuple[str, str, str]]]:
    """How many files were tried, and the command, the file and the failure of those that failed."""
    random, texts = Random(seed), corpus()
    failed: list[tuple[str, str, str]] = []
    count = 0
    with tempfile.TemporaryDirectory() as directory:
        while goes_on(count):
            text = mutated(random.choice(texts), random, texts)
            command = COMMANDS[count % len(COMMANDS)]
            if why := failure(text, Path(directory), command):
                failed.append((command[0], text, why))
            count += 1
    return count, failed


def main(minutes: float, seed: int) -> int:
    """Print what fails; 1 if something does."""
    end = time.monotonic() + 60 * minutes
    count, failed = fuzz(seed, lambda _: time.monotonic() < end)
    for command, text, why in failed:
        print(f"--- {command}\n{printable(text[:3000], chr(10))}\n--- {printable(why, chr(10))}")
    print(f"seed {seed}: {count} sweep files, {len(failed)} failures")
    return 1 if failed else 0
