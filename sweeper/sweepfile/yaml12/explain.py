"""What the YAML parser says, in words of the file's author, with the likely mend."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from .document import Document, Place

# `method:grid`; an address (http://…) and a Windows path are text.
_GLUED = re.compile(r"\s*(?:- +)?(?P<key>[A-Za-z_][\w.-]*):(?P<value>[^\s/\\:].*)$")
_PLAIN_TEXT = re.compile(r"(?:: +|[\[{,] *)(?P<text>[^'\"\[\]{},:\s][^\[\]{},:]*)$")


def explain(error: yaml.MarkedYAMLError, document: Document) -> None:
    """Note what is wrong with the text, where its author would mend it."""
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    for line in (place[0], place[0] - 1):
        text = document.line(line)
        indent = text[: len(text) - len(text.lstrip())]
        if "\t" in indent:
            document.problem(
                (line, indent.index("\t") + 1),
                "a tab in the indentation: YAML indents with spaces only",
                mend="replace each tab by spaces",
            )
            return
    found = (
        _unclosed_quote(error, document)
        or _glued_colon(error, document)
        or _odd_indentation(error, document)
        or _bracket_in_text(error, document)
        or _other(error)
    )
    document.problem(found.place or place, f"not valid YAML: {found.what}", mend=found.mend)


class Found(NamedTuple):
    """What is wrong, what to do, and where, if not where the parser gave up."""

    what: str
    mend: str = ""
    place: Place | None = None


def _unclosed_quote(error: yaml.MarkedYAMLError, document: Document) -> Found | None:
    mark = error.context_mark
    if mark is None or "quoted scalar" not in (error.context or ""):
        return None
    if not (error.problem or "").endswith(("end of stream", "document separator")):
        return None
    quote = document.line(mark.line + 1)[mark.column : mark.column + 1]
    return Found(
        "the quote that begins here is never closed",
        f"end the text with another {quote}, or remove this one",
        (mark.line + 1, mark.column + 1),
    )


def _glued_colon(error: yaml.MarkedYAMLError, document: Document) -> Found | None:
    """A key without a space after its colon is read as text, which fails a line later."""
    problem = error.problem or ""
    if "mapping values are not allowed" not in problem and "expected ':'" not in problem:
        return None
    mark = error.problem_mark or error.context_mark
    for number in range(mark.line + 1 if mark else 0, 0, -1):
        text = document.line(number)
        match = _GLUED.match(text)
        if match:
            key, value = match["key"], match["value"].rstrip()
            return Found(
                f"`{key}:` needs a space after its colon",
                f"write `{key}: {value}`",
                (number, match.end("key") + 1),
            )
        if mark and number <= mark.line and text.strip() and not text.lstrip().startswith("#"):
            break
    return None


def _odd_indentation(error: yaml.MarkedYAMLError, document: Document) -> Found | None:
    mark = error.problem_mark
    problem = error.problem or ""
    if mark is None or "expected <block end>" not in problem:
        return None
    levels: list[int] = []
    for text in document.lines[: mark.line]:
        if text.strip() and not text.lstrip().startswith("#"):
            indent = len(text) - len(text.lstrip(" "))
            while levels and levels[-1] > indent:
                levels.pop()
            if not levels or levels[-1] < indent:
                levels.append(indent)
    here = mark.column
    text = document.line(mark.line + 1)
    if text[:here].strip():
        return None
    what = "item of a list" if text[here : here + 1] == "-" else "line"
    if here in levels:
        return Found(
            f"this {what} cannot stand here",
            "a level holds either keys or `- ` items: check the indentation of what is above it",
        )
    near = [str(level) for level in levels if level < here][-1:]
    near += [str(level) for level in levels if level > here][:1]
    if not near:
        return None
    return Found(
        f"this {what} is indented by {here}, which is no level of those above",
        f"indent it by {' or '.join(near)} spaces, like its neighbours",
    )


def _bracket_in_text(error: yaml.MarkedYAMLError, document: Document) -> Found | None:
    """Plain text in a flow collection ends at a bracket: an expression must be quoted there."""
    mark = error.problem_mark
    if mark is None or "while parsing a flow" not in (error.context or ""):
        return None
    text = document.line(mark.line + 1)
    before = _PLAIN_TEXT.search(text[: mark.column])
    if text[mark.column : mark.column + 1] not in ("[", "{") or before is None:
        return None
    close = {"[": "]", "{": "}"}[text[mark.column]]
    end = text.find(close, mark.column)
    whole = text[before.start("text") : end + 1] if end > 0 else before["text"] + "…"
    quote = "'" if '"' in whole else '"'
    return Found(
        f"text without quotes ends at `{text[mark.column]}` here",
        f"quote the whole expression: {quote}{whole}{quote}",
    )


def _other(error: yaml.MarkedYAMLError) -> Found:
    problem = error.problem or "cannot be read"
    mend = ""
    if "mapping values are not allowed" in problem:
        problem = "a `:` that cannot stand here"
        mend = "quote the text if it holds `: `, or check the indentation of this line"
    elif "expected a single document" in (error.context or ""):
        problem = "a second document begins here: a sweep file holds one"
    elif "cannot start any token" in problem:
        mend = "quote the text: it begins with a character that YAML keeps for itself"
    elif "undefined alias" in problem:
        mend = "an alias `*name` needs an anchor `&name` above it; quote the text if `*` is meant"
    elif error.context_mark and "while parsing a flow" in (error.context or ""):
        begin = error.context_mark
        mend = (
            f"the bracket opened on line {begin.line + 1}, column {begin.column + 1}, is not closed"
        )
    return Found(problem, mend)
