"""A training that can be killed anywhere: one process forks a child per attempt.

Reads JSON lines ``{"base", "kill", "options"}`` from standard input and answers each with the
child's end. Keras and its backend (KERAS_BACKEND) are imported once and never used before the
fork. ``kill`` is ``["op", n]``:
SIGKILL within the n-th file operation (a write is cut in the middle), ``["batch", n]``,
``["seconds", s]``, or null.
"""

import itertools
import json
import os
import signal
import sys
import threading
import time
import traceback

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

EPOCHS, BATCHES, SIZE = 12, 6, 16
HOOKED = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir")


def die():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def hook_files(kill):
    """Count the file operations of the main thread, and die within the n-th."""
    count = itertools.count(1)
    main = threading.main_thread()
    counted = [0]

    def wrap(name, function):
        def hooked(*args, **kwargs):
            if threading.current_thread() is not main:
                return function(*args, **kwargs)
            number = counted[0] = next(count)
            if kill and kill[0] == "op" and number == kill[1]:
                try:
                    if name == "write":
                        function(args[0], bytes(args[1])[: len(args[1]) // 2])
                    elif number % 2:
                        function(*args, **kwargs)
                finally:
                    die()  # also where the operation is one that is expected to fail
            return function(*args, **kwargs)

        return hooked

    for name in HOOKED:
        setattr(os, name, wrap(name, getattr(os, name)))
    return counted


def train(base, kill, options):
    import keras
    import numpy as np

    from sweeper.experiment import ExperimentManager, backend, keras_callbacks, variables

    counted = hook_files(kill)
    if kill and kill[0] == "seconds":
        threading.Timer(kill[1], die).start()
    epochs = options.get("epochs", EPOCHS)

    class Killer(keras.callbacks.Callback):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            if kill and kill[0] == "batch" and self.seen == kill[1]:
                die()

        def state_dict(self):
            return {}  # each attempt counts for itself

        def load_state_dict(self, state):
            pass

    backend.configure_devices(1, 0)
    params = {"training": {"epochs": epochs}, "model": {"units": 16}}
    manager = ExperimentManager(
        base,
        checkpoint_params=options.get("checkpoint"),
        backup_every=options.get("backup_every"),
        reproducible=options.get("reproducible", True),
    )
    seed = 7
    backend.reset_session(seed)
    run = manager.open(params, sweep="s", trial=0, replicate=0, seed=seed)

    # What a scheduler heard before the kill it may hear again, but never anything else.
    def hear(epoch):
        with open(os.path.join(base, "heard.txt"), "a") as heard:
            heard.write(json.dumps(epoch, sort_keys=True) + "\n")

    callbacks = keras_callbacks(run, hear)
    rng = np.random.default_rng(0)
    x = rng.random((SIZE * BATCHES, 8)).astype("float32")
    y = (x.sum(1) > 4).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(params["model"]["units"], activation="relu"),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.GaussianNoise(0.1),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x, y, batch_size=SIZE, epochs=epochs, verbose=0, validation_data=(x[:40], y[:40]),
        callbacks=[
            keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
            Killer(),
            *callbacks,
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.02),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ],
    )  # fmt: skip
    np.savez(os.path.join(base, "final.npz"), **variables.Variables(model, []).read())
    with open(os.path.join(base, "history.json"), "w") as file:
        json.dump([history.epoch, history.history], file, sort_keys=True)
    run.close("finished")
    return counted[0]


def main():
    # Imported before the forks, so that every attempt runs the same code.
    from sweeper.experiment import backend, callbacks, libraries, resuming, variables  # noqa: F401

    backend.preload()
    assert not libraries.runtime_started()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.makedirs(request["base"], exist_ok=True)
                operations = train(request["base"], request["kill"], request.get("options", {}))
                os.write(writer, json.dumps({"operations": operations}).encode())
                os._exit(0)
            except BaseException:
                os.write(writer, json.dumps({"error": traceback.format_exc()}).encode())
                os._exit(1)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        answer = {"killed": os.WIFSIGNALED(status), **(json.loads(said) if said else {})}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
