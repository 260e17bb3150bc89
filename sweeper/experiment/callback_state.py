"""The state of other people's callbacks.

What a callback changed since training began is its state: EarlyStopping's patience and best
weights, ReduceLROnPlateau's counters, a user's own counters. Settings that did not change are not
stored, so that they can be changed between two attempts. A callback with ``state_dict`` and
``load_state_dict`` is asked instead.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from .callback_globals import Globals
from .object_decoding import Decoder, check_name
from .object_encoding import Encoder, NotStorable, Stays

log = logging.getLogger("sweeper.experiment")

# TensorBoard opens its writers anew, and each of them a file of its own.
_NEVER = {"model", "_model", "params", "validation_data", "_writers"}
_DERIVED = {"monitor_op", "min_delta"}  # set from the mode on the first use, with a sign


class CallbackStates:
    """Remembers how callbacks were when training began, and tells what changed since.

    ``keys``: the keys of variables, which are kept elsewhere, by their id.
    """

    def __init__(self, callbacks: list[Any], keys: Mapping[int, str]) -> None:
        named = Globals(callbacks)
        self._callbacks = [*callbacks, *([named] if any(named.attributes()) else [])]
        self._said: set[str] = set()
        self._before = [
            {name: _fingerprint(value, keys) for name, value in _attributes(callback)}
            for callback in self._callbacks
        ]
        self._changed: list[set[str]] = [set() for _ in self._callbacks]

    def capture(self, keys: Mapping[int, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state of every callback, as JSON values and the arrays in them.

        What cannot be kept is named there as ``lost``, and once in the log.
        """
        places = self._compare(keys)
        encoder = Encoder(keys, places)
        states: list[dict[str, Any]] = []
        lost: list[str] = []
        for callback, names in zip(self._callbacks, self._changed, strict=True):
            state: dict[str, Any] = {}
            for name, value in _attributes(callback):
                if name in names:
                    try:
                        state[name] = encoder.encode(value)
                    except Stays:
                        continue
                    except Exception as error:  # whatever a stranger's object raises
                        lost.append(_lost(callback, name, error))
            states.append({"class": type(callback).__name__, "state": state})
        for what in lost:
            if what not in self._said:
                self._said.add(what)
                log.warning("not kept for a resume: %s", what)
        return {"each": states, "nodes": encoder.nodes, "lost": lost}, encoder.arrays

    def _compare(self, keys: Mapping[int, str]) -> dict[int, Any]:
        """Note the attributes that have changed; of the others, where they will be found again."""
        places: dict[int, Any] = {}
        for index, (callback, before) in enumerate(zip(self._callbacks, self._before, strict=True)):
            for name, value in _attributes(callback):
                if name in self._changed[index]:  # once is enough: large ones take long to compare
                    continue
                now = _fingerprint(value, keys)
                if now is None or now != before.get(name):
                    self._changed[index].add(name)
                elif hasattr(value, "__dict__") or isinstance(value, (list, dict, set)):
                    places[id(value)] = {"place": [index, name]}
        return places

    def restore(
        self,
        states: Mapping[str, Any],
        arrays: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> list[str]:
        """Put each callback back as the one of its class was, of several in their order.

        If they are not those of before, that is said: a new one begins, one that is gone is lost.
        Returns what could not be restored.
        """
        lost = list(states["lost"])
        kinds = [type(callback).__name__ for callback in self._callbacks]
        stored = [str(state["class"]) for state in states["each"]]
        if kinds != stored:
            text = f"the callbacks are not those of before: there were {stored}, there are {kinds}"
            log.warning("%s; each has the state of the one of its class", text)
            lost.append(text)
        partner: dict[int, Any] = {}  # index of a stored callback -> the one that is it now
        for callback in self._callbacks:
            for index, kind in enumerate(stored):
                if kind == type(callback).__name__ and index not in partner:
                    partner[index] = callback
                    break

        def place(at: list[Any]) -> Any:
            return dict(_attributes(partner[at[0]]))[at[1]]

        decoder = Decoder(states["nodes"], arrays, variables, place)
        for index, callback in partner.items():
            now = dict(_attributes(callback))
            for name, value in states["each"][index]["state"].items():
                try:
                    found = decoder.decode(value, now.get(name))
                    check_name(name, found, now.get(name))
                    if name == "state_dict()":
                        callback.load_state_dict(found)
                    else:
                        setattr(callback, name, found)
                except Exception as error:
                    lost.append(_lost(callback, name, error))
        return lost


def _attributes(callback: Any) -> Iterator[tuple[str, Any]]:
    """What may be the callback's state, by name."""
    if isinstance(callback, Globals):
        yield from callback.attributes()
        return
    if hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict"):
        try:
            yield "state_dict()", callback.state_dict()
        except Exception as error:
            yield "state_dict()", error  # which cannot be kept, and is named
        return
    skip = _NEVER | (_DERIVED if hasattr(callback, "monitor_op") else set())
    yield from ((name, value) for name, value in list(vars(callback).items()) if name not in skip)


def _fingerprint(value: Any, keys: Mapping[int, str]) -> str | None:
    """A text that is another one if the value has changed; None if it cannot be kept."""
    encoder = Encoder(keys, digest=True)
    try:
        return json.dumps([encoder.encode(value), encoder.nodes])
    except Stays:
        return ""
    except Exception:
        return None


def _lost(callback: Any, name: str, error: Exception) -> str:
    why = str(error) if isinstance(error, NotStorable) else f"{type(error).__name__}: {error}"
    return f"{type(callback).__name__}.{name} ({why})"
