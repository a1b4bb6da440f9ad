from __future__ import annotations

from typing import Any

import pytest

from codegen.generate import overlay_document
from codegen.load import DocumentError
from codegen.operation import Json
from codegen.overlay import apply_overlay
from tests.unit.codegen.documents import make_body, make_document, make_operation


def overlay(*actions: Json) -> dict[str, Any]:
    return {"overlay": "1.0.0", "actions": [{"description": "why", **action} for action in actions]}


def test_an_update_merges_objects_extends_arrays_and_replaces_the_rest() -> None:
    document = {"a": {"kept": 1, "list": [1], "replaced": "x", "object": {"in": 1}}}
    update = {"list": [2], "replaced": ["y"], "object": {"also": 2}, "new": None}
    result = apply_overlay(document, overlay({"target": "$.a", "update": update}))
    assert result == {"a": {"kept": 1, "list": [1, 2], "replaced": ["y"], "object": {"in": 1, "also": 2}, "new": None}}


def test_an_update_of_an_array_appends_one_entry() -> None:
    assert apply_overlay({"a": [1]}, overlay({"target": "$.a", "update": {"b": 2}})) == {"a": [1, {"b": 2}]}


def test_an_update_reaches_every_match_and_leaves_the_document_alone() -> None:
    document = {"a": {"tag": "x"}, "b": {"tag": "y"}, "c": {"tag": "x"}}
    result = apply_overlay(document, overlay({"target": "$[?@.tag == 'x']", "update": {"seen": []}}))
    assert result == {"a": {"tag": "x", "seen": []}, "b": {"tag": "y"}, "c": {"tag": "x", "seen": []}}
    assert document["a"] == {"tag": "x"}
    assert result["a"]["seen"] is not result["c"]["seen"]


def test_later_actions_see_what_earlier_ones_did() -> None:
    actions = {"target": "$", "update": {"a": {}}}, {"target": "$.a", "update": {"b": 1}}
    assert apply_overlay({}, overlay(*actions)) == {"a": {"b": 1}}


def test_a_removal_takes_every_match_out_of_its_parent() -> None:
    result = apply_overlay({"a": [1, 2, 1], "b": 1}, overlay({"target": "$.a[?@ == 1]", "remove": True}))
    assert result == {"a": [2], "b": 1}


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"target": "$.nowhere", "update": {}}, r"action 1 \(\$\.nowhere\) matches nothing"),
        ({"target": "$.a", "update": {}, "description": ""}, "gives no reason"),
        ({"target": "$..[", "update": {}}, "no usable target"),
        ({"update": {}}, "no usable target"),
        ({"target": "$.a", "update": {}}, "cannot update a int"),
        ({"target": "$", "remove": True}, "whole document"),
    ],
)
def test_a_faulty_action_is_named(action: Json, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        apply_overlay({"a": 1}, overlay(action))


def test_another_version_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"1\.0\.0"):
        apply_overlay({}, {"overlay": "2.0.0", "actions": []})


SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "enum": ["x"]}, "b": {}}}
DOCUMENT = make_document(
    {"/things": {"post": make_operation(requestBody=make_body({"$ref": "#/components/schemas/Thing"}))}},
    {"Thing": SCHEMA},
)


@pytest.mark.parametrize(
    ("action", "loss"),
    [
        ({"target": "$.paths['/things'].post", "remove": True}, "POST /things: the operation is removed"),
        ({"target": "$.paths['/things'].post.responses['200']", "remove": True}, "the status 200 is removed"),
        ({"target": "$.components.schemas.Thing.properties.b", "remove": True}, "the property b is removed"),
        ({"target": "$.components.schemas.Thing", "update": {"required": ["b"]}}, "the property b is now required"),
        ({"target": "$.components.schemas.Thing.properties.b", "update": {"type": "string"}}, "no longer takes"),
    ],
)
def test_an_overlay_that_narrows_the_document_is_refused(action: Json, loss: str) -> None:
    with pytest.raises(DocumentError, match=loss):
        overlay_document(DOCUMENT, overlay(action))


def test_an_overlay_may_open_an_enum_and_free_a_property() -> None:
    enum = {"target": "$.components.schemas.Thing.properties.a.enum", "remove": True}
    required = {"target": "$.components.schemas.Thing.required[?@ == 'a']", "remove": True}
    thing = overlay_document(DOCUMENT, overlay(enum, required))["components"]["schemas"]["Thing"]
    assert thing["properties"]["a"] == {"type": "string"}
    assert thing["required"] == []
