"""Other libraries' searchers, each in an environment of its own: asked and told by lines of JSON.

Run there as a script, it imports the library alone; imported here, it makes the environments.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PACKAGES = {
    "HyperOpt": ["hyperopt", "setuptools<81"],
    "Nevergrad": ["nevergrad", "numpy<2.4"],  # it makes numbers of arrays
    "SMAC3": ["smac"],
    "Ax": ["ax-platform"],
    "Optuna GP": ["optuna", "torch", "scipy"],
    "W&B": ["sweeps"],
}
Space = list[dict[str, Any]]
"""Of each parameter its ``name`` and ``values``, or ``low``, ``high``, ``log`` and ``whole``.

None of these libraries is told of conditions: what is not active is chosen, and has no effect."""


class HyperOpt:
    def __init__(self, space: Space, seed: int, trials: int, workers: int) -> None:
        self.lib, self.base = map(importlib.import_module, ("hyperopt", "hyperopt.base"))
        hp = self.lib.hp
        dimensions = {}
        for of in space:
            name = of["name"]
            if "values" in of:
                dimensions[name] = hp.choice(name, of["values"])
            elif of["whole"]:
                dimensions[name] = hp.uniformint(name, of["low"], of["high"])
            elif of["log"]:
                dimensions[name] = hp.loguniform(name, math.log(of["low"]), math.log(of["high"]))
            else:
                dimensions[name] = hp.uniform(name, of["low"], of["high"])
        self.space, self.seed = dimensions, seed
        self.domain, self.trials = self.base.Domain(lambda x: 0.0, dimensions), self.lib.Trials()

    def ask(self) -> tuple[Any, dict[str, Any]]:
        ids = self.trials.new_trial_ids(1)
        self.trials.refresh()
        docs = self.lib.tpe.suggest(ids, self.domain, self.trials, self.seed + ids[0])
        self.trials.insert_trial_docs(docs)
        self.trials.refresh()
        point = {name: values[0] for name, values in docs[0]["misc"]["vals"].items() if values}
        return ids[0], dict(self.lib.space_eval(self.space, point))

    def tell(self, key: Any, value: float) -> None:
        for doc in self.trials._dynamic_trials:
            if doc["tid"] == key:
                doc["state"] = self.base.JOB_STATE_DONE
                doc["result"] = {"loss": value, "status": self.lib.STATUS_OK}
        self.trials.refresh()


class Nevergrad:
    def __init__(self, space: Space, seed: int, trials: int, workers: int) -> None:
        ng = importlib.import_module("nevergrad")
        numpy = importlib.import_module("numpy")
        dimensions = {}
        for of in space:
            if "values" in of:
                dimensions[of["name"]] = ng.p.Choice(of["values"])
            elif of["log"]:
                dimensions[of["name"]] = ng.p.Log(lower=of["low"], upper=of["high"])
            else:
                scalar = ng.p.Scalar(lower=of["low"], upper=of["high"])
                dimensions[of["name"]] = scalar.set_integer_casting() if of["whole"] else scalar
        given = ng.p.Dict(**dimensions)
        given.random_state = numpy.random.RandomState(seed)
        self.optimizer = ng.optimizers.NGOpt(given, budget=trials, num_workers=workers)
        self.asked: dict[int, Any] = {}

    def ask(self) -> tuple[Any, dict[str, Any]]:
        key = len(self.asked)
        self.asked[key] = self.optimizer.ask()
        return key, dict(self.asked[key].value)

    def tell(self, key: Any, value: float) -> None:
        self.optimizer.tell(self.asked[key], value)


class Smac:
    def __init__(self, space: Space, seed: int, trials: int, workers: int) -> None:
        import tempfile

        cs, smac = map(importlib.import_module, ("ConfigSpace", "smac"))
        self.runner = importlib.import_module("smac.runhistory.dataclasses")
        found = cs.ConfigurationSpace(seed=seed)
        self.values = {of["name"]: of["values"] for of in space if "values" in of}
        for of in space:
            if "values" in of:
                found.add(cs.Categorical(of["name"], list(map(str, range(len(of["values"]))))))
            elif of["whole"]:
                found.add(cs.Integer(of["name"], (of["low"], of["high"])))
            else:
                found.add(cs.Float(of["name"], (of["low"], of["high"]), log=of["log"]))
        scenario = smac.Scenario(
            found, n_trials=trials, seed=seed, deterministic=True,
            output_directory=Path(tempfile.mkdtemp()),
        )  # fmt: skip
        self.facade = smac.HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=50
        )
        self.asked: dict[int, Any] = {}

    def ask(self) -> tuple[Any, dict[str, Any]]:
        key = len(self.asked)
        self.asked[key] = self.facade.ask()
        point = dict(self.asked[key].config)
        return key, {
            name: self.values[name][int(value)] if name in self.values else value
            for name, value in point.items()
        }

    def tell(self, key: Any, value: float) -> None:
        self.facade.tell(self.asked[key], self.runner.TrialValue(cost=value))


class Ax:
    def __init__(self, space: Space, seed: int, trials: int, workers: int) -> None:
        ax = importlib.import_module("ax")
        self.client = importlib.import_module("ax.api.client").Client(random_seed=seed)
        dimensions = []
        for of in space:
            if "values" in of:
                kind = {str: "str", bool: "bool", int: "int"}.get(type(of["values"][0]), "float")
                dimensions.append(
                    ax.ChoiceParameterConfig(
                        name=of["name"], values=of["values"], parameter_type=kind
                    )
                )
            else:
                dimensions.append(
                    ax.RangeParameterConfig(
                        name=of["name"], bounds=(of["low"], of["high"]),
                        parameter_type="int" if of["whole"] else "float",
                        scaling="log" if of["log"] else "linear",
                    )
                )  # fmt: skip
        self.client.configure_experiment(parameters=dimensions)
        self.client.configure_optimization(objective="-loss")

    def ask(self) -> tuple[Any, dict[str, Any]]:
        ((key, point),) = self.client.get_next_trials(max_trials=1).items()
        return key, dict(point)

    def tell(self, key: Any, value: float) -> None:
        self.client.complete_trial(trial_index=key, raw_data={"loss": value})


class OptunaGp:
    def __init__(self, space: Space, seed: int, trials: int, workers: int) -> None:
        optuna = importlib.import_module("optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        of_kind = optuna.distributions
        self.space = {
            of["name"]: of_kind.CategoricalDistribution(of["values"]) if "values" in of
            else of_kind.IntDistribution(of["low"], of["high"]) if of["whole"]
            else of_kind.FloatDistribution(of["low"], of["high"], log=of["log"])
            for of in space
        }  # fmt: skip
        self.study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed))

    def ask(self) -> tuple[Any, dict[str, Any]]:
        trial = self.study.ask(self.space)
        return trial.number, trial.params

    def tell(self, key: Any, value: float) -> None:
        self.study.tell(key, value)


class Wandb:
    """The engine behind W&B's own sweeps, called as its server calls it."""

    def __init__(self, space: Space, seed: int, trials: int, workers: int) -> None:
        self.lib = importlib.import_module("sweeps")
        importlib.import_module("numpy").random.seed(seed)
        parameters: dict[str, Any] = {}
        for of in space:
            if "values" in of:
                parameters[of["name"]] = {"values": of["values"]}
                continue
            kinds = {"whole": "int_uniform", "log": "log_uniform_values"}
            kind = next((kinds[key] for key in kinds if of[key]), "uniform")
            given = {"distribution": kind, "min": of["low"], "max": of["high"]}
            parameters[of["name"]] = given
        metric = {"name": "loss", "goal": "minimize"}
        self.config = {"method": "bayes", "metric": metric, "parameters": parameters}
        self.runs: list[Any] = []

    def ask(self) -> tuple[Any, dict[str, Any]]:
        run = self.lib.next_run(self.config, self.runs)
        run.state = self.lib.RunState.running
        self.runs.append(run)
        point = {name: of["value"] for name, of in run.config.items()}
        return len(self.runs) - 1, point

    def tell(self, key: Any, value: float) -> None:
        self.runs[key].state = self.lib.RunState.finished
        self.runs[key].summary_metrics = {"loss": value}


KINDS = {"HyperOpt": HyperOpt, "Nevergrad": Nevergrad, "SMAC3": Smac, "Ax": Ax}
KINDS.update({"Optuna GP": OptunaGp, "W&B": Wandb})


def serve() -> None:
    """Answer on what was standard output: libraries print."""
    import warnings

    warnings.simplefilter("ignore")
    del sys.path[0]  # where this file lies, beside a module named as a peer's
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    searcher: Any = None
    for line in sys.stdin:
        what, *given = json.loads(line)
        before = time.process_time()
        if what == "begin":
            name, *told = given
            searcher = KINDS[name](*told)
            answer: Any = None
        elif what == "ask":
            key, params = searcher.ask()
            answer = [key, params]
        else:
            searcher.tell(*given)
            answer = None
        spent = time.process_time() - before
        print(json.dumps([answer, spent], default=lambda n: n.item()), file=answers, flush=True)


class Peer:
    """A library's searcher in its environment."""

    def __init__(
        self, name: str, space: Space, seed: int, trials: int, workers: int, place: Path
    ) -> None:
        self._process = subprocess.Popen(
            [place / name / "bin" / "python", __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.spent = 0.0
        self._send("begin", name, space, seed, trials, workers)
        self.spent = 0.0  # without its imports

    def _send(self, *message: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{message[0]}: the peer has ended")
        answer, spent = json.loads(line)
        self.spent += spent
        return answer

    def ask(self) -> tuple[Any, dict[str, Any]]:
        key, params = self._send("ask")
        return key, params

    def tell(self, key: Any, value: float) -> None:
        self._send("tell", key, value)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def install(place: Path, only: list[str]) -> None:
    """Make the environments; say what does not install."""
    for name, packages in PACKAGES.items():
        if (only and name not in only) or installed(place, name):
            continue
        home = place / name
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        done = subprocess.run(
            [home / "bin" / "python", "-m", "pip", "install", "-q", *packages],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        last = (done.stderr.strip().splitlines() or [""])[-1]
        print(f"{name}: {'installed' if done.returncode == 0 else f'does not install: {last}'}")
        if done.returncode == 0:
            (home / "installed").touch()


def installed(place: Path, name: str) -> bool:
    return (place / name / "installed").exists()


if __name__ == "__main__":
    try:
        serve()
    finally:
        os._exit(0)  # a library's threads must not outlive its failure
