"""Kill a training process anywhere, start it again: the result is the one it would have had."""

import random
from importlib.util import find_spec

import pytest

from .kills import Trainees, chain, programs_of, random_kills, row_of_table, state


@pytest.fixture(
    scope="module", params=[b for b in ("tensorflow", "jax", "torch") if find_spec(b) is not None]
)
def trainees(request):
    trainees = Trainees(request.param)
    yield trainees
    trainees.close()


OFTEN = {
    "gan", "odd_callback", "kfold", "fine_tuning", "functions_that_remember", "own_loop",
    "optimizer_and_metric_of_ones_own", "recompiled_by_a_callback", "dataset_that_shuffles_itself",
    "reshuffled_pipelines", "backed_up_now_and_then", "pipeline_with_a_state",
}  # fmt: skip


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow)
        for name in programs_of("tensorflow")
    ],
)
def test_programs_end_as_undisturbed_or_say_what_differs(trainees, tmp_path, program):
    if program not in programs_of(trainees.backend):
        pytest.skip("TensorFlow's")
    row_of_table(trainees, tmp_path, program, chains=1, seed=0)


@pytest.fixture(scope="module")
def baseline(trainees, tmp_path_factory):
    base = tmp_path_factory.mktemp("baseline")
    counted = trainees.attempt(base)
    return state(base), counted["operations"], counted["moments"]


def test_five_kills_change_nothing(trainees, baseline, tmp_path):
    expected, operations, _ = baseline
    kills = [["op", operations // 8], ["batch", 7], ["op", operations // 8 + 1],
             ["batch", 3], ["op", operations // 9]]  # fmt: skip
    assert chain(trainees, tmp_path, kills) == 5
    assert state(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_many_kills_change_nothing(trainees, baseline, tmp_path, seed):
    expected, *counted = baseline
    kills = random_kills(random.Random(seed), 3, *counted)
    struck = chain(trainees, tmp_path, kills)
    print(f"seed {seed}: {struck} kills at {kills[:struck]}")
    assert state(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_kills_between_batches_that_are_backed_up(trainees, baseline, tmp_path, seed):
    expected, *counted = baseline
    kills = random_kills(random.Random(100 + seed), 3, *counted)
    chain(trainees, tmp_path, kills, settings={"backup_every": 2})
    assert state(tmp_path) == expected


@pytest.mark.slow
def test_every_file_operation_of_a_short_run(trainees, tmp_path):
    reference = tmp_path / "reference"
    operations = trainees.attempt(reference, None, epochs=2)["operations"]
    expected = state(reference)
    struck = 0
    for number in range(1, operations + 1, 2):
        base = tmp_path / str(number)
        struck += chain(trainees, base, [["op", number]], epochs=2)
        assert state(base) == expected, number
    print(f"{struck} kills, one within every second file operation of {operations}")
