"""The text that a run runs: its program's file, and the local modules that were loaded for it."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from sweeper.errors import TreeError
from sweeper.tree import STAGING, Program, Texts, Tree, files, read_text

log = logging.getLogger("sweeper.experiment")


@dataclass
class Source:
    """The texts of a program that is loaded in this process.

    ``since`` is the time from which its files were read: one that was written later may have been
    loaded before, so that nobody knows what has run.
    """

    program: Program
    since: float
    texts: Texts
    known: bool = True

    @staticmethod
    def of(program: Program, since: float, modules: Iterable[str] = ()) -> Source:
        """The program's own file and the ``modules`` (paths)."""
        source = Source(program, since, {})
        main = [] if program.file is None else [str(program.path)]
        source.add([*main, *modules])
        return source

    def add(self, paths: Iterable[str]) -> None:
        """Read these files too, those that are below the program's root."""
        for path in map(os.path.realpath, paths):
            name = os.path.relpath(path, self.program.root)
            text = None if name in self.texts or name.startswith("..") else read_text(path)
            if text is not None:
                self.texts[name] = text
                self.known = self.known and os.stat(path).st_mtime <= self.since

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the program's file."""
        text = self.texts.get(self.program.file or "")
        return None if text is None else hashlib.sha256(text).hexdigest()

    def keep(self, base: Path) -> str | None:
        """Copy the texts into the tree, unless they are there; return what they are called there.

        None, and nothing is copied, where it is not known what has run, or cannot be written.
        """
        if not self.known:
            return None
        digest = hashlib.sha256()
        for name, text in sorted(self.texts.items()):
            digest.update(f"{name} {hashlib.sha256(text).hexdigest()}\n".encode())
        name = digest.hexdigest()[:12]
        programs = Tree(base).programs
        target = programs / name
        if files.exists(target) or not self.texts:
            return name
        staged = base / f"{STAGING}{os.getpid()}-{os.urandom(6).hex()}"
        try:
            files.make_directory(staged)
            for file, text in self.texts.items():
                files.make_directory((staged / file).parent, parents=True)
                files.write_bytes(staged / file, text)
            files.refuse_link(programs)
            files.make_directory(programs)
            files.move(staged, target)
        except (TreeError, OSError) as error:  # a copy for later must not end a run
            log.warning("the text of the program is not kept: %s", error)
            return None
        finally:
            files.remove(staged)
        return name


_held: Source | None = None
_seen: set[str] = set()


def hold_source(program: Program, since: float) -> None:
    """Keep in mind what this process, which has just imported the program, has loaded.

    Its children run these texts, whatever becomes of the files.
    """
    global _held
    _seen.update(sys.modules)
    _held = Source.of(program, since, local_modules(program.root, list(sys.modules)))


def current_source(program: Program, *, alone: bool) -> Source:
    """The texts that this process runs now.

    ``alone``: of a script or notebook that is this process itself. Else of what it holds, or, as a
    script's keeper, of a program that is about to be started.
    """
    if alone:
        modules = local_modules(program.root, list(sys.modules))
        return Source.of(program, psutil.Process().create_time(), modules)
    if _held is None:
        return Source.of(program, time.time())
    new = sys.modules.keys() - _seen
    _seen.update(new)
    _held.add(local_modules(program.root, new))
    return _held


def local_modules(root: str, names: Iterable[str]) -> Iterator[str]:
    """The files below ``root`` of these loaded modules: no installed packages, nothing of ours."""
    paths = sysconfig.get_paths()
    ours = (os.path.dirname(os.path.dirname(__file__)), paths["stdlib"], paths["platstdlib"])
    beside = tuple(os.path.realpath(place) + os.sep for place in ours)
    inside = os.path.realpath(root) + os.sep
    for name in names:
        try:  # a lazy module would load itself for an attribute
            file = object.__getattribute__(sys.modules[name], "__dict__").get("__file__")
        except (KeyError, AttributeError):
            continue
        if isinstance(file, str) and file.endswith(".py"):
            path = os.path.realpath(file)
            installed = "site-packages" in path or "dist-packages" in path
            if path.startswith(inside) and not installed and not path.startswith(beside):
                yield path
