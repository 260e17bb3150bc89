"""Where a fit is in its input, and how to get there again.

Keras makes its batches with an "epoch iterator" that it tells nobody about; the callbacks find it
where they are called from. Arrays need nothing of this: their order depends on the seeds alone. A
``tf.data`` pipeline that reshuffles draws its next order whenever it is iterated over, and an
endless one (``steps_per_epoch``) goes on where it was, so both are brought to where they were. A
PyTorch ``DataLoader`` may have a generator of its own, whose state is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from . import backend, libraries
from .backup import Backup

_RANDOM = ("Random", "TruncatedNormal", "Multinomial", "ParameterizedTruncated")


class InputPosition:
    """Counts what a fit takes from its input. Works on nothing if there is no epoch ``iterator``.

    ``source`` is Keras's data adapter; None without one.
    """

    def __init__(self, epoch_iterator: Any) -> None:
        self.iterator = epoch_iterator
        self.made = 0
        # TensorFlow begins to read when it makes an iterator, the others with the first batch.
        self._eager = hasattr(epoch_iterator, "_distributed_dataset")
        self.source: Any = getattr(epoch_iterator, "data_adapter", None)
        self._at_epoch_begin: dict[str, Any] = {"made": 0, "taken": 0}
        if epoch_iterator is None:
            return
        make = epoch_iterator._get_iterator

        def counting() -> Any:
            if not self._eager:
                return self._counted(make())
            self.made += 1
            return make()

        self._make = make
        epoch_iterator._get_iterator = counting

    def _counted(self, batches: Any) -> Iterator[Any]:
        self.made += 1
        yield from batches

    @property
    def adapter(self) -> str:
        """The kind of input, as Keras calls it: ArrayDataAdapter, TFDatasetAdapter, …"""
        return type(self.source).__name__

    @property
    def signature(self) -> Any:
        """Shapes and types of a batch of a tf.data pipeline; None if they are not known."""
        dataset = getattr(self.iterator, "_distributed_dataset", None)
        return getattr(dataset, "element_spec", None)

    @property
    def dataset(self) -> Any:
        """The PyDataset that makes the batches, if one does."""
        return getattr(self.source, "py_dataset", None)

    def unkept(self) -> list[str]:
        """What of a tf.data pipeline is not brought back: in words."""
        found: set[str] = set()
        waiting: list[tuple[Any, bool]] = [(getattr(self.source, "_dataset", None), False)]
        while waiting:
            dataset, cached = waiting.pop()
            name = type(dataset).__name__
            if cached and "Shuffle" in name:
                found.add("what cache() holds of a shuffle() is drawn anew")
            wrapped = getattr(dataset, "_map_func", None)
            if wrapped is not None and "FlatMap" not in name and "Interleave" not in name:
                with contextlib.suppress(Exception):  # a private way in
                    found |= _state_of(wrapped.function)
            with contextlib.suppress(Exception):
                waiting += [(one, cached or "Cache" in name) for one in dataset._inputs()]
        return sorted(found)

    def begin_epoch(self) -> None:
        """An epoch begins, and nothing of it was taken yet."""
        self._at_epoch_begin = self._now()

    def _now(self) -> dict[str, Any]:
        return {
            "made": self.made,
            "taken": int(getattr(self.iterator, "_steps_seen", 0) or 0),
            "batches": getattr(self.iterator, "_num_batches", None),
            "generators": libraries.loader_state(getattr(self.source, "_dataloader", None)),
        }

    def state(self, *, mid_epoch: bool) -> dict[str, Any]:
        """The position at the start of this epoch (``mid_epoch``), or now, at its end."""
        return self._at_epoch_begin if mid_epoch else self._now()

    def restore(self, state: dict[str, Any], *, afresh: bool = False) -> None:
        """Bring the input to where it was; costs the reading of an endless input so far.

        ``afresh``: of a validation's, which begins anew each time, only the order goes on.
        """
        source = self.iterator
        if source is None or self.adapter == "ArrayDataAdapter":
            return
        if getattr(source, "_num_batches", None) is None:
            source._num_batches = state.get("batches")
        wanted, taken = int(state["made"]), int(state["taken"])
        endless = getattr(source, "steps_per_epoch", None) is not None
        within = not afresh and endless and wanted > 0 and (self._eager or taken > 0)
        with contextlib.suppress(StopIteration):
            for _ in range(self.made, wanted - 1 if within else wanted):
                self._draw_order()
            if within:
                iterator = iter(self._make())
                for _ in range(taken):
                    next(iterator)
                source._current_iterator, source._steps_seen = iterator, taken
        self.made = wanted
        libraries.restore_loader(
            getattr(self.source, "_dataloader", None), state.get("generators", ())
        )

    def _draw_order(self) -> None:
        """Let the input draw the order of an epoch that is not trained."""
        if self._eager:
            iter(self._make())
        elif self.adapter == "TFDatasetAdapter":
            iter(self.source._dataset)


class PartialEpoch:
    """An epoch that was backed up in its middle: its first batches are passed over.

    They are read, not trained on; ``put_back`` restores what they have made.
    """

    def __init__(self, model: Any, backup: Backup, put_back: Callable[[Backup], Any]) -> None:
        self.batches = backup.batch
        self._model = model
        self._backup = backup
        self._put_back = put_back
        self._trained: Any = None

    def begin(self) -> None:
        """At the start of the epoch."""
        model, logs = self._model, dict(self._backup.state["logs"])
        steps = int(getattr(model, "steps_per_execution", 1) or 1)

        def pass_over(*arguments: Any) -> Any:
            source = arguments[-1]
            if hasattr(source, "__next__"):  # else fit has taken the batches itself
                for _ in range(steps):
                    next(source, None)
            return logs if len(arguments) == 1 else (logs, arguments[0])  # JAX has a state too

        self._trained = model.train_function
        model.train_function = pass_over

    def after(self, batch: int) -> bool:
        """``batch`` (from 0) was passed over; True if it was the last one: all is restored."""
        if batch + 1 < self.batches:
            return False
        self._model.train_function = self._trained
        self._put_back(self._backup)
        backend.restore_random_state(self._backup.state["random"], self._backup.arrays)
        return True


def _state_of(function: Any) -> set[str]:
    found = set()
    if any(tensor.dtype.name == "resource" for tensor in function.captured_inputs):
        found.add("a variable or table that the pipeline uses begins anew")
    if any("PyFunc" in node.op for node in function.graph.as_graph_def().node):
        found.add("what a Python function within the pipeline counts begins anew")
    return found


def stateful_random_operations(train_function: Any) -> list[str]:
    """TensorFlow operations in a train function that hold a random state nobody can store.

    ``tf.random.normal`` and its kin, used in a layer of the user's; ``keras.random`` with a
    SeedGenerator has none. Found once the function was traced; [] for other backends.
    """
    found: set[str] = set()
    for cell in getattr(train_function, "__closure__", None) or ():
        functions = getattr(cell.cell_contents, "_list_all_concrete_functions", None)
        if functions is None:
            continue
        with contextlib.suppress(Exception):  # a private way in: knowing less is no failure
            for function in functions():
                graph = function.graph.as_graph_def()
                found |= {node.op for node in graph.node}
                found |= {n.op for f in graph.library.function for n in f.node_def}
    return sorted(op for op in found if op.startswith(_RANDOM) and "Dataset" not in op)
