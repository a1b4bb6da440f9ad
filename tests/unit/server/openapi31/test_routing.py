from __future__ import annotations

import pytest

from codegen.operation import Operation, Parameter
from handlers.core.errors import MethodNotAllowed, NotFound
from server.openapi31.routing import Router


def operation(method: str, path: str, *, crossing: tuple[str, ...] = ()) -> Operation:
    parameters = tuple(
        Parameter(name, name, "path", True, "#/x", "simple", False, crosses_slashes=True) for name in crossing
    )
    return Operation(f"{method} {path}", method, path, "handlers.x", "X", parameters=parameters)


ROUTER = Router(
    [
        operation("GET", "/v1/models"),
        operation("GET", "/v1/models/{model_id}", crossing=("model_id",)),
        operation("DELETE", "/v1/models/{model_id}", crossing=("model_id",)),
        operation("GET", "/v1/things/{thing}"),
        operation("DELETE", "/v1/things/{thing_id}"),
        operation("GET", "/v1/things/special"),
        operation("GET", "/v1/things/{thing}/parts/{part}"),
        operation("GET", "/v1/eval/tasks/{task_id}/jobs/{job_id}", crossing=("task_id",)),
        operation("GET", "/v1/eval/tasks/{task_id}/jobs/{job_id}/result", crossing=("task_id",)),
        operation("POST", "/v1/eval/tasks/{task_id}/jobs", crossing=("task_id",)),
    ],
    aliases=[("/v1alpha/", "/v1/")],
    slashed=["/v1/eval"],
)


def found(method: str, path: str) -> tuple[str, dict[str, str]]:
    operation, values = ROUTER.find(method, path)
    return operation.operation_id, values


def test_static_path() -> None:
    assert found("GET", "/v1/models") == ("GET /v1/models", {})


def test_parameter_is_one_segment() -> None:
    assert found("GET", "/v1/things/a") == ("GET /v1/things/{thing}", {"thing": "a"})
    with pytest.raises(NotFound):
        ROUTER.find("GET", "/v1/things/a/b")


def test_literal_wins_over_parameter_but_not_for_good() -> None:
    assert found("GET", "/v1/things/special") == ("GET /v1/things/special", {})
    assert found("GET", "/v1/things/special/parts/2")[1] == {"thing": "special", "part": "2"}


def test_templates_of_one_shape_differ_by_method_and_keep_their_names() -> None:
    assert found("DELETE", "/v1/things/a")[1] == {"thing_id": "a"}
    assert found("DELETE", "/v1/things/special")[1] == {"thing_id": "special"}


@pytest.mark.parametrize("model_id", ["a", "meta/llama-3", "a::b", "a/b/c", "../../etc/passwd"])
def test_crossing_parameter_takes_slashes(model_id: str) -> None:
    assert found("GET", f"/v1/models/{model_id}")[1] == {"model_id": model_id}


def test_crossing_parameter_in_the_middle() -> None:
    path = "/v1/eval/tasks/a/b/jobs/7"
    assert found("GET", path)[1] == {"task_id": "a/b", "job_id": "7"}
    assert found("GET", path + "/result")[1] == {"task_id": "a/b", "job_id": "7"}
    assert found("POST", "/v1/eval/tasks/a/jobs/jobs")[1] == {"task_id": "a/jobs"}


def test_path_of_very_many_segments() -> None:
    model_id = "a/" * 30_000 + "b"
    assert found("GET", f"/v1/models/{model_id}")[1] == {"model_id": model_id}
    assert found("POST", f"/v1/eval/tasks/{model_id}/jobs")[1] == {"task_id": model_id}
    with pytest.raises(NotFound):
        ROUTER.find("GET", f"/v1/eval/tasks/{model_id}")


def test_unknown_path() -> None:
    for path in ("/", "/v1", "/v1/models/", "//v1/models", "/v1/things/", "/v1/nothing"):
        with pytest.raises(NotFound):
            ROUTER.find("GET", path)


def test_wrong_method_names_the_allowed_ones() -> None:
    with pytest.raises(MethodNotAllowed) as error:
        ROUTER.find("PUT", "/v1/models/x")
    assert error.value.headers["Allow"] == "DELETE, GET"


def test_alias_leads_to_the_original() -> None:
    assert found("GET", "/v1alpha/models") == ("GET /v1/models", {})


def test_a_slash_at_the_end_is_left_aside_where_it_may_be() -> None:
    path = "/v1/eval/tasks/a/jobs/"
    assert found("POST", path) == ("POST /v1/eval/tasks/{task_id}/jobs", {"task_id": "a"})
    with pytest.raises(NotFound):
        ROUTER.find("GET", "/v1/things/a/")


def test_two_operations_on_one_route_are_refused() -> None:
    with pytest.raises(ValueError, match="two operations"):
        Router([operation("GET", "/a/{x}"), operation("GET", "/a/{y}")])


def test_wrong_method_names_those_of_the_literal_and_not_of_the_template_that_also_fits() -> None:
    router = Router([operation("POST", "/answers/count"), operation("GET", "/answers/{id}")])
    with pytest.raises(MethodNotAllowed) as error:
        router.find("PUT", "/answers/count")
    assert error.value.headers["Allow"] == "POST"
