"""The training log of a run that is being written: training-logs.csv, row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from sweeper.tree import Row, files, read_rows


class TrainingLog:
    """The rows of a run as they are written: appended, and rewritten only where they must be."""

    def __init__(self, path: Path, guard: files.Guard | None = None) -> None:
        self.path = path
        self._guard = guard
        rows, torn = read_rows(path)
        self._columns = _columns(rows)
        self._whole = not torn
        self._rows = {int(row["epoch"]): row for row in rows}

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def row(self, epoch: int) -> Row | None:
        return self._rows.get(epoch)

    @property
    def last_epoch(self) -> int:
        """The last epoch recorded; 0 if there is none."""
        return next(reversed(self._rows), 0)

    def cut(self, epoch: int) -> None:
        """Forget the rows after ``epoch``."""
        kept = {e: row for e, row in self._rows.items() if e <= epoch}
        if len(kept) != len(self._rows) or not self._whole:
            self._rows = kept
            self._columns = _columns(self.rows)
            self._rewrite()

    def forget(self, name: str) -> None:
        """Take a metric out of every row."""
        for row in self._rows.values():
            row.pop(name, None)
        self._columns = _columns(self.rows)
        self._rewrite()

    def record(self, row: Row) -> None:
        """Append a row; the row of the same epoch, if there is one, is replaced."""
        epoch = int(row["epoch"])
        before = self.last_epoch
        new = [name for name in row if name != "epoch" and name not in self._columns]
        self._rows[epoch] = row
        if epoch < before:
            self._rows = dict(sorted(self._rows.items()))
        grows = self._whole and not new and epoch > before > 0
        self._whole = False  # until the row is there
        if grows:
            files.append(self.path, self._line(row).encode(), guard=self._guard)
            self._whole = True
        else:
            self._columns = sorted({*self._columns, *new})
            self._rewrite()

    def _rewrite(self) -> None:
        if self._rows:
            header = _csv_line(["epoch", *self._columns])
            text = header + "".join(map(self._line, self.rows))
            files.write_bytes(self.path, text.encode(), guard=self._guard)
        else:
            if self._guard is not None:
                self._guard()
            files.remove(self.path)
        self._whole = True

    def _line(self, row: Row) -> str:
        cells = [repr(row[name]) if name in row else "" for name in self._columns]
        return _csv_line([str(int(row["epoch"])), *cells])


def _columns(rows: Iterable[Row]) -> list[str]:
    return sorted({name for row in rows for name in row} - {"epoch"})


def _csv_line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that it quotes both of them
    return text.getvalue()[:-2] + "\n"
