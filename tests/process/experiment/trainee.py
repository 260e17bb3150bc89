"""A training that can be killed anywhere: one process forks a child per attempt.

Reads JSON lines ``{"base", "kill", "options"}`` from standard input and answers each with the
child's end. Keras and its backend (KERAS_BACKEND) are imported once and never used before the
fork. ``kill`` is ``["op", n]``:
SIGKILL within the n-th file operation (a write is cut in the middle), ``["batch", n]``,
``["moment", n]`` (batches, beginnings and ends of epochs and fits, and between fits),
``["seconds", s]``, or null. ``options``: the program, the manager's settings, the program's own.
"""

import itertools
import json
import math
import os
import signal
import sys
import threading
import time
import traceback

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

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
    from programs import OPTIONS, PROGRAMS

    from sweeper.experiment import Origin, Settings, backend, keras_callbacks, open_trial, pacing
    from sweeper.tree import Tree

    counted = hook_files(kill)
    if kill and kill[0] == "seconds":
        threading.Timer(kill[1], die).start()
    name = options.pop("program", "mlp")
    settings = {**OPTIONS.get(name, {}), **options.pop("settings", {})}
    # A kill costs one epoch at most, so that each moment is tried; or more, where backups are rare.
    pacing.SHARE = settings.pop("share", math.inf)
    pacing.MOST_SECONDS = 0.05
    moments = {"batch": itertools.count(1), "moment": itertools.count(1)}
    seen = {}

    def count(kind):
        seen[kind] = next(moments[kind])
        if kill == [kind, seen[kind]]:
            die()

    class Killer(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            count("batch")
            count("moment")

        def on_epoch_begin(self, epoch, logs=None):
            count("moment")

        on_epoch_end = on_epoch_begin

        def on_train_begin(self, logs=None):
            count("moment")

        on_train_end = on_train_begin

        def state_dict(self):
            return {}  # each attempt counts for itself

        def load_state_dict(self, state):
            pass

    backend.configure_devices(1, 0)
    backend.reset_session(7)
    params = {"program": name, **options}
    settings = Settings.parse(**settings)
    run = open_trial(Tree(base), params, [["program", *options]], Origin(7, "s", 0), settings)

    # What a scheduler heard before the kill it may hear again, but never anything else.
    def hear(epoch):
        with open(os.path.join(base, "heard.txt"), "a") as heard:
            heard.write(json.dumps(epoch, sort_keys=True) + "\n")

    callbacks = [Killer(), *keras_callbacks(run, hear), Killer()]
    found = PROGRAMS[name](callbacks, run, lambda: count("moment"), **options)
    with open(os.path.join(base, "found.json"), "w") as file:
        json.dump(found, file, sort_keys=True, default=lambda array: array.tolist())
    run.close("finished")
    return {"operations": counted[0], "moments": seen.get("moment", 0)}


def main():
    # Imported before the forks, so that every attempt runs the same code.
    import programs  # noqa: F401

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
                counted = train(request["base"], request["kill"], request.get("options", {}))
                os.write(writer, json.dumps(counted).encode())
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
