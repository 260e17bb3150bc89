"""Every example of the documentation loads, and every key has one."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import jsonschema
import pytest

from sweeper.space import KINDS
from sweeper.sweepfile import load_sweep
from sweeper.sweepfile.command import MACROS
from sweeper.sweepfile.early_terminate import TYPES
from sweeper.sweepfile.keys import KEYS, WANDB_KEYS
from sweeper.sweepfile.schema import schema
from sweeper.sweepfile.sweep import METHODS
from sweeper.sweepfile.yaml12.read import parse

DOCS = Path(__file__).parents[3] / "docs"
PAGES = [DOCS / "sweep-file.md", DOCS / "coming-from-wandb.md"]
EXAMPLES = [
    pytest.param(match[1], id=f"{page.stem}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    for match in re.finditer(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S)
]
# What an example that is about something else leaves out.
REST = {
    "method": "method: random\n",
    "metric": "metric: {name: val_loss}\n",
    "parameters": "parameters: {lr: {min: 0.1, max: 1.0}}\n",
}
HYPERPARAMETERS = {
    "training": {"batch_size": 128, "epochs": 12, "learning-rate": 0.008},
    "processing": {"width": 128},
    "model": {"conv_0": 32, "dropout_0": 0.25},
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_loads_and_expands(text: str, tmp_path: Path) -> None:
    (tmp_path / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    (tmp_path / "trials.csv").write_text("lr,model.width\n1e-3,64\n")
    written = parse(text, "example").data
    for key, line in REST.items():
        if key == "metric" and "metrics" in written:
            continue
        if key not in written and not (key == "parameters" and "trials" in written):
            text += line
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    sweep = load_sweep(path)
    assert sweep.adaptive or list(itertools.islice(sweep.trials(), 50))
    jsonschema.Draft7Validator(schema()).validate(parse(text, "example").data)


def test_the_reference_names_everything() -> None:
    text = PAGES[0].read_text()
    words = [*KEYS, *WANDB_KEYS, *METHODS, *KINDS, *TYPES]
    assert [word for word in words if f"`{word}`" not in text] == []
    assert [macro for macro in MACROS if f"`${{{macro}}}`" not in text] == []
    examples = "\n".join(str(example.values[0]) for example in EXAMPLES)
    assert [key for key in KEYS if f"{key}:" not in examples] == []
