"""Arrays as an .npz file: what NumPy's own would be, written without copying them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """To a new file, flushed."""
    import numpy as np

    with open(path, "xb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                flat = np.ascontiguousarray(array)
                header = np.lib.format.header_data_from_array_1_0(flat.reshape(array.shape))
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array_header_2_0(entry, header)
                    entry.write(flat.reshape(-1).view(np.uint8).data)
        file.flush()
        os.fsync(file.fileno())


def encode(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays that .npz can hold, and what they were: bfloat16 and its kin travel as bytes."""
    import numpy as np

    encoded, described = {}, {}
    for index, (name, value) in enumerate(arrays.items()):
        array = np.asarray(value)
        key = f"{index:05d}"  # names of variables may hold anything; keys of a zip file may not
        described[key] = {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
        if array.dtype.kind not in "biufcSUMm" and array.dtype.type is not np.void:
            array = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        encoded[key] = array
    return encoded, described


def decode(encoded: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays that encode was given. Raises ValueError if some are missing."""
    import numpy as np

    if set(encoded) != set(described):
        raise ValueError("arrays are missing")
    arrays = {}
    for key, what in described.items():
        array = encoded[key]
        if str(array.dtype) != what["dtype"]:
            import ml_dtypes  # numpy knows bfloat16 only through it; Keras brings it

            dtype = np.dtype(getattr(ml_dtypes, what["dtype"]))
            array = np.frombuffer(array.tobytes(), dtype).reshape(what["shape"])
        arrays[what["name"]] = array
    return arrays
