"""Programs as people have them, that know nothing of sweeper: each runs unedited, is killed once.

Each prints what it found in lines that begin with RESULT, and takes ``lr``.
"""

from __future__ import annotations

from typing import Any

_DATA = """
import numpy as np
from sklearn.datasets import load_digits

def load():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    return (x[:1200], y[:1200]), (x[1200:], y[1200:])
"""
_MODEL = """
import keras

def build(lr):
    model = keras.Sequential([
        keras.Input((64,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(lr), loss, metrics=["accuracy"])
    return model
"""
_FIT = """
def run(lr, epochs=6):
    (x, y), held = load()
    model = build(lr)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    fit = model.fit(x, y, 8, epochs, validation_data=held, verbose=0, callbacks=[stop])
    print("RESULT", fit.epoch, fit.history["val_loss"], model.evaluate(*held, verbose=0))
"""
COMMON = {"data.py": _DATA, "model.py": _MODEL}
_IMPORTS = "from data import load\nfrom model import build, keras\n"

ARGPARSE = f"""
import argparse
{_IMPORTS}{_FIT}
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    run(parser.parse_args().lr)
"""
ABSL = f"""
from absl import app, flags
{_IMPORTS}{_FIT}
flags.DEFINE_float("lr", 0.1, "learning rate")
app.run(lambda _: run(flags.FLAGS.lr))
"""
CLICK = f"""
import click
{_IMPORTS}{_FIT}
@click.command()
@click.option("--lr", type=float, default=0.1)
def main(lr):
    run(lr)

main()
"""
HYDRA = f"""
import hydra
from hydra.core.config_store import ConfigStore
{_IMPORTS}{_FIT}
ConfigStore.instance().store(name="config", node={{"lr": 0.1}})

@hydra.main(version_base=None, config_path=None, config_name="config")
def main(config):
    run(config.lr)

main()
"""
PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/data.py": _DATA,
    "pkg/model.py": _MODEL,
    "pkg/train.py": f"""
import sys
from .data import load
from .model import build, keras
{_FIT}
run(float(sys.argv[1].partition("=")[2]))
""",
}
TF_DATA = f"""
import sys
import tensorflow as tf
{_IMPORTS}
(x, y), held = load()
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(300, seed=3).batch(16).prefetch(2)
model = build(float(sys.argv[1].partition("=")[2]))
fit = model.fit(data, epochs=6, validation_data=held, verbose=0)
print("RESULT", fit.epoch, fit.history)
"""
SEQUENCE = f"""
import sys
import numpy as np
{_IMPORTS}
class Images(keras.utils.PyDataset):
    \"\"\"As ImageDataGenerator: shifted at random, shuffled after each epoch.\"\"\"

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.order = x, y, np.arange(len(x))

    def __len__(self):
        return len(self.x) // 16

    def __getitem__(self, index):
        chosen = self.order[index * 16 : index * 16 + 16]
        return np.roll(self.x[chosen], np.random.randint(-1, 2), axis=1), self.y[chosen]

    def on_epoch_end(self):
        np.random.shuffle(self.order)

(x, y), held = load()
model = build(float(sys.argv[1].partition("=")[2]))
fit = model.fit(Images(x, y), epochs=6, validation_data=held, verbose=0)
print("RESULT", fit.epoch, fit.history)
"""
TAPE = f"""
import sys
import numpy as np
import tensorflow as tf
{_IMPORTS}
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="relu")
        self.out = keras.layers.Dense(10)

    def call(self, x):
        return self.out(self.hidden(x))

(x, y), held = load()
model, adam = Net(), keras.optimizers.Adam(float(sys.argv[1].partition("=")[2]))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

@tf.function
def step(images, labels):
    with tf.GradientTape() as tape:
        value = loss(labels, model(images))
    weights = model.trainable_variables
    adam.apply_gradients(zip(tape.gradient(value, weights), weights))

for epoch in range(6):
    order = np.random.permutation(len(x))
    for start in range(0, len(x), 8):
        step(x[order[start : start + 8]], y[order[start : start + 8]])
    print(f"epoch {{epoch + 1}} val_loss: {{float(loss(held[1], model(held[0])))!r}}", flush=True)
print("RESULT", float(loss(held[1], model(held[0]))))
"""
SKLEARN = """
import sys
import numpy as np
from data import load
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

(x, y), (held, labels) = load()
model = SGDClassifier(loss="log_loss", alpha=float(sys.argv[1].partition("=")[2]), random_state=1)
for epoch in range(40):
    order = np.random.permutation(len(x))
    for start in range(0, len(x), 100):
        model.partial_fit(x[order[start:start + 100]], y[order[start:start + 100]], range(10))
    print("val_loss:", float(log_loss(labels, model.predict_proba(held))), flush=True)
print("RESULT", model.coef_.sum())
"""
WANDB = f"""
import wandb
from wandb.integration.keras import WandbMetricsLogger
{_IMPORTS}
with wandb.init(project="digits", name="one") as run:
    (x, y), held = load()
    model = build(run.config.lr)
    fit = model.fit(
        x, y, 8, 6, validation_data=held, verbose=0, callbacks=[WandbMetricsLogger(log_freq=50)]
    )
    loss = model.evaluate(*held, verbose=0)[0]
    print("RESULT", fit.history, loss)
"""
FOLDS = f"""
import sys
import numpy as np
import sweeper
{_IMPORTS}
(x, y), held = load()
scores = []
for fold in range(2):
    mask = np.arange(len(x)) % 2 == fold
    model = build(float(sys.argv[1].partition("=")[2]))
    fit = model.fit(
        x[mask], y[mask], 4, 3, validation_data=(x[~mask], y[~mask]), verbose=0,
        callbacks=[keras.callbacks.EarlyStopping(patience=1)],
    )
    print("RESULT", fit.epoch, fit.history)
    scores.append(model.evaluate(*held, verbose=0)[0])
sweeper.report(val_loss=float(np.mean(scores)))
"""
SKIPS = f"""
import json, os, sys
import numpy as np
{_IMPORTS}
(x, y), held = load()
done = json.load(open("done.json")) if os.path.exists("done.json") else {{}}
for fold in range(3):
    if str(fold) not in done:
        mask = np.arange(len(x)) % 3 != fold
        model = build(float(sys.argv[1].partition("=")[2]))
        fit = model.fit(
            x[mask], y[mask], 4, 3, validation_data=(x[~mask], y[~mask]), verbose=0
        )
        done[str(fold)] = [fit.history, model.evaluate(*held, verbose=0)]
        json.dump(done, open("done.json", "w"))
print("RESULT", done)
"""
FINDER = f"""
import sys
{_IMPORTS}
losses = []

class Finder(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        losses.append(logs["loss"])
        self.model.optimizer.learning_rate = 1.02 * float(self.model.optimizer.learning_rate)

(x, y), held = load()
model = build(1e-4)
weights = model.get_weights()
model.fit(x, y, epochs=1, verbose=0, callbacks=[Finder()])
model.set_weights(weights)
model.optimizer.learning_rate = 1e-4 * 1.02 ** losses.index(min(losses))
fit = model.fit(x, y, 8, 4, validation_data=held, verbose=0)
print("RESULT", len(losses), fit.history)
"""
BETWEEN = f"""
import sys
import sweeper
{_IMPORTS}
(x, y), held = load()
sweeper.report(size=len(x))
model = build(float(sys.argv[1].partition("=")[2]))
for _ in range(2):
    fit = model.fit(x, y, 8, 3, validation_data=held, verbose=0)
    sweeper.report(test=model.evaluate(*held, verbose=0)[0])
    print("RESULT", fit.history)
"""
SEVERAL_RUNS = f"""
import wandb
{_IMPORTS}
(x, y), held = load()
for width in (1, 2):
    run = wandb.init(project="digits", group="widths", reinit=True)
    model = build(run.config.lr)
    for epoch in range(3):
        model.fit(x[::width], y[::width], 8, verbose=0)
        run.log({{"val_loss": model.evaluate(*held, verbose=0)[0]}})
    run.finish()
print("RESULT", model.evaluate(*held, verbose=0))
"""

HYDRA_COMMAND = ["${interpreter}", "${program}", "${args_no_hyphens}"]
MODULE_COMMAND = ["${interpreter}", "-m", "pkg.train", "${args}"]
PRINTED = {"metric": {"name": "val_loss", "goal": "minimize", "pattern": r"val_loss: (\S+)"}}
# Each: its files, what its sweep says, after how many rows it is killed if that is not two.
STRANGERS: dict[str, tuple[Any, ...]] = {
    "argparse": (ARGPARSE, {}),
    "absl": (ABSL, {}),
    "click": (CLICK, {}),
    "hydra": (HYDRA, {"command": HYDRA_COMMAND}),
    "package": (PACKAGE, {"program": "pkg/train.py", "command": MODULE_COMMAND}),
    "tf_data": (TF_DATA, {}),
    "sequence": (SEQUENCE, {}),
    "tape": (TAPE, PRINTED),
    "sklearn": (SKLEARN, PRINTED),
    "wandb": (WANDB, {"metric": {"name": "epoch/val_loss", "goal": "minimize"}}),
    "folds": (FOLDS, {}),
    "skips": (SKIPS, {}, 4),
    "finder": (FINDER, {}),
    "between": (BETWEEN, {}, 4),
    "several_runs": (SEVERAL_RUNS, {}),
}
