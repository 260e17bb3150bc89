"""Arrays as an .npz file, of the types that it cannot hold too, and never with a pickle in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.tree import files


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Write a new file, flushed; returns what read_arrays must be told of it.

    What .npz cannot hold, bfloat16 and its kin, travels as bytes.
    """
    import numpy as np

    described: dict[str, Any] = {}
    stored: dict[str, Any] = {}
    for index, (name, value) in enumerate(arrays.items()):
        array = np.asarray(value)
        key = f"{index:05d}"  # names of variables may hold anything; keys of a zip may not
        described[key] = {"name": name, "dtype": str(array.dtype), "shape": [*array.shape]}
        if array.dtype.hasobject:
            raise TypeError(f"{name}: an array of objects, which would be a pickle")
        own = array.dtype.kind in "biufcSUMm" or array.dtype.type is np.void
        stored[key] = array if own else np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    with open(path, "xb") as file:
        np.savez(file, **stored)
        file.flush()
        os.fsync(file.fileno())
    return described


def read_arrays(path: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays that write_arrays was given. Raises ValueError if some are missing, and others."""
    import numpy as np

    arrays = {}
    # Opened here: numpy leaves a file that is no .npz open.
    with (
        os.fdopen(files.open_file(path), "rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        if set(stored.files) != set(described):
            raise ValueError("arrays are missing")
        for key, what in described.items():
            array = stored[key]
            if str(array.dtype) != what["dtype"]:
                import ml_dtypes  # numpy knows bfloat16 only through it; Keras brings it

                dtype = np.dtype(getattr(ml_dtypes, what["dtype"]))
                array = np.frombuffer(array.tobytes(), dtype).reshape(what["shape"])
            arrays[what["name"]] = array
    return arrays
