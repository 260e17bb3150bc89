"""``early_terminate``: what is read from a file, and the iterations at which asha judges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sweeper.errors import SpecError
from sweeper.sweepfile import EarlyTerminate, Sweep, check_early_terminate, check_launchable

Load = Callable[..., Sweep]


def read(load: Load, text: str) -> Sweep:
    return load(
        f"method: grid\nmetric: {{name: m}}\nparameters: {{a: 1}}\nearly_terminate: {text}\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type: asha}", EarlyTerminate("asha", min_iter=1, options={"brackets": 1})),
        (
            "{type: asha, min_iter: 2, max_iter: 54, eta: 2.5, brackets: 3}",
            EarlyTerminate("asha", min_iter=2, max_iter=54, eta=2.5, options={"brackets": 3}),
        ),
        (
            "{type: bohb, max_iter: 27}",
            EarlyTerminate("bohb", min_iter=1, max_iter=27, options={"brackets": 4}),
        ),
        (
            "cautious",
            EarlyTerminate("median", min_iter=5, options={"min_trials": 5}),
        ),
        ("standard", EarlyTerminate("asha", min_iter=3, options={"brackets": 1})),
        ("aggressive", EarlyTerminate("asha", min_iter=2, eta=4, options={"brackets": 1})),
        ("{type: median}", EarlyTerminate("median", min_iter=1, options={"min_trials": 3})),
        (
            "{type: median, min_iter: 5, min_trials: 10}",
            EarlyTerminate("median", min_iter=5, options={"min_trials": 10}),
        ),
    ],
)
def test_keys_and_defaults(load: Load, text: str, expected: EarlyTerminate) -> None:
    sweep = read(load, text)
    assert sweep.early_terminate == expected
    check_early_terminate(sweep)


@pytest.mark.parametrize("kind", ["pbt", "pb2"])
@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("method: grid\nparameters: {a: 1}", "found none that varies"),
        ("method: list\ntrials: [{a: 1}, {a: 2}]", "found none that varies"),
        ("method: random\nparameters: {a: {min: 0.1, max: 1.0}}\nrepeats: 2", "`repeats: 2`"),
    ],
)
def test_what_gives_a_population_nothing_to_work_on(
    load: Load, kind: str, rest: str, message: str
) -> None:
    sweep = load(f"metric: {{name: m}}\nearly_terminate: {{type: {kind}}}\n{rest}\n")
    with pytest.raises(SpecError, match=message):
        check_early_terminate(sweep)


def test_a_population_makes_trials_beyond_those_of_its_method(load: Load) -> None:
    text = (
        "method: grid\nmetric: {name: m}\nparameters: {a: {values: [1, 2, 3]}}\n"
        "early_terminate: {type: pbt}\n"
    )
    sweep = load(text)
    assert (sweep.adaptive, sweep.size(), sweep.chooser) == (True, None, "grid and pbt")
    assert [trial.params for trial in sweep.trials()] == [{"a": 1}, {"a": 2}, {"a": 3}]
    with pytest.raises(SpecError, match=r"`early_terminate: {type: pbt}` goes on without end"):
        check_launchable(sweep)
    capped = load(text + "run_cap: 20\n")
    assert capped.size() == 20
    check_launchable(capped)
    check_launchable(load(text + "budget: {wall: 1h}\n"))


@pytest.mark.parametrize(
    ("keys", "bracket", "rungs"),
    [
        ({"min_iter": 1}, 0, [1, 3, 9, 27, 81]),
        ({"min_iter": 1}, 2, [9, 27, 81]),
        ({"min_iter": 2, "max_iter": 54}, 0, [2, 6, 18]),
        ({"min_iter": 2, "max_iter": 55}, 1, [6, 18, 54]),
        ({"min_iter": 1, "max_iter": 27}, 3, []),
        ({"min_iter": 4, "eta": 2.5}, 0, [4, 10, 25, 62]),
        ({"min_iter": 1, "eta": 1.5}, 0, [1, 2, 3, 5, 7, 11, 17, 25, 38, 57, 86]),
    ],
)
def test_rungs(keys: dict[str, int], bracket: int, rungs: list[int]) -> None:
    stop = EarlyTerminate("asha", **keys)
    assert [at for at in range(1, 100) if stop.is_rung(at, bracket)] == rungs


@pytest.mark.parametrize("brackets", [1, 2, 3, 4])
def test_as_many_brackets_as_there_is_room_for(load: Load, brackets: int) -> None:
    stop = read(load, f"{{type: asha, max_iter: 27, brackets: {brackets}}}").early_terminate
    assert stop is not None
    # The last of four would begin at max_iter, where nobody is judged: its trials run whole.
    assert any(stop.is_rung(at, brackets - 1) for at in range(1, 27)) == (brackets < 4)
