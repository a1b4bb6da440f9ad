"""Stacks as browsers and Node write them, exceptions as SDKs do, and which map fits a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handlers.core.app_telemetry.exceptions import read_exceptions
from handlers.core.app_telemetry.symbols import base_name, best_fit
from handlers.core.source_maps.stacks import read_stack
from storage.repositories.source_maps import StoredMap
from storage.tables.types import instant

V8 = """TypeError: x is not a function
    at Object.run (https://a.example/app.js:1:20)
    at async load (webpack-internal:///./src/a b.js:7:3)
    at new Promise (<anonymous>)
    at https://a.example/app.js:2:1
    at async file:///srv/app.mjs:10:2"""
GECKO = "run@https://cdn.example/pkg@1.2.3/app.js:1:20\n@https://a.example/app.js:2:1\nf/<@app.js:3:4\n"


def places(stack: str) -> list[tuple[str | None, str | None, int, int]]:
    return [(frame.function, frame.file, frame.line, frame.column) for frame in read_stack(stack, 10)]


def test_stacks_of_chrome_and_node_are_read() -> None:
    assert places(V8) == [
        ("Object.run", "https://a.example/app.js", 1, 20),
        ("async load", "webpack-internal:///./src/a b.js", 7, 3),
        (None, None, 0, 0),
        (None, "https://a.example/app.js", 2, 1),
        (None, "file:///srv/app.mjs", 10, 2),
    ]
    assert read_stack(V8, 10)[2].text == "new Promise (<anonymous>)"
    assert len(read_stack(V8, 2)) == 2


def test_stacks_of_firefox_and_safari_are_read() -> None:
    assert places(GECKO) == [
        ("run", "https://cdn.example/pkg@1.2.3/app.js", 1, 20),
        (None, "https://a.example/app.js", 2, 1),
        ("f/<", "app.js", 3, 4),
    ]


@pytest.mark.parametrize("stack", ["", "Error", "Error: at noon", "a:b:c", "x:0:1", "x:1:99999999999", "\u0661:1:1:x"])
def test_what_is_no_call_is_none(stack: str) -> None:
    assert read_stack(stack, 10) == []


CALLS = [{"filename": "b.js", "lineno": 2, "colno": 1}, {"file": "a.js", "line": 1, "column": 9, "function": "f"}]


@pytest.mark.parametrize(
    ("told", "files"),
    [
        ({"frames": CALLS}, [["b.js", "a.js"]]),
        ({"stacktrace": {"frames": CALLS}}, [["a.js", "b.js"]]),
        ({"stack": "f@a.js:1:1", "cause": {"stack": "g@b.js:1:1", "cause": "text"}}, [["a.js"], ["b.js"]]),
        ({"values": [{"stacktrace": "g@b.js:1:1"}, {"stacktrace": "f@a.js:1:1"}, 3]}, [["a.js"], ["b.js"]]),
        ({"frames": [{"filename": 3, "lineno": "x"}, "no"]}, [[None]]),
        ({"stack": 3, "frames": {}}, [[]]),
    ],
)
def test_exceptions_of_every_shape_are_read(told: dict[str, Any], files: list[list[str | None]]) -> None:
    assert [[frame.file for frame in thrown.frames] for thrown in read_exceptions(told)] == files


def stored(artifact_name: str, file_name: str) -> StoredMap:
    bases, then = (base_name(artifact_name), base_name(file_name)), instant(0)
    return StoredMap("id", "p", "1.0", artifact_name, file_name, *bases, "t", 1, 1, "s", "k", then, then)


@pytest.mark.parametrize(
    ("artifact_name", "file_name", "fits"),
    [
        ("~/js/app.min.js", "app.min.js.map", True),
        ("https://cdn.example/js/app.min.js", "x", True),
        ("web", "app.min.js.map", True),
        ("js/app.min.js", "x", True),
        ("app.js", "x", False),
        ("~/css/app.min.js", "x", False),
        ("p.min.js", "x", False),
    ],
)
def test_a_map_fits_a_file_by_whole_folders_of_its_names(artifact_name: str, file_name: str, fits: bool) -> None:
    one = stored(artifact_name, file_name)
    assert (best_fit("https://cdn.example/js/app.min.js?v=3#x", [one]) is one) is fits


def test_of_the_maps_that_fit_the_longest_name_does() -> None:
    short, long = stored("app.js", "x"), replace(stored("~/js/app.js", "x"), id="long")
    assert best_fit("https://a.example/js/app.js", [short, long]) is long
    assert best_fit("https://a.example/app.js", [short, long]) is short
