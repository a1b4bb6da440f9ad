from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from codegen.operation import Operation, Parameter
from handlers.core.errors import Invalid
from server.openapi31.parameters import Parameters
from server.request import Request
from tests.unit.server.openapi31.documents import document, pointer, query, request


@dataclass(frozen=True, slots=True)
class Params:
    limit: Any = None
    text: Any = None
    number: Any = None
    flag: Any = None
    names: Any = None
    numbers: Any = None
    filters: Any = None
    address: Any = None
    api_key: Any = None
    thing_id: Any = None
    x_region: Any = None


PARAMETERS = (
    query("limit", "Limit"),
    query("text", "MaybeText"),
    query("number", "MaybeNumber"),
    query("flag", "Flag"),
    query("names", "Names"),
    query("numbers", "Numbers"),
    query("filters", "Filters"),
    query("address", "Address"),
    query("api-key", "Text"),
    Parameter("x-region", "x_region", "header", False, pointer("Text"), "simple", False),
)


def read(raw: str | bytes, headers: dict[str, str] | None = None) -> Params:
    operation = Operation("things_list", "GET", "/things", "h", "X", parameters=PARAMETERS, params=Params)
    raw = raw.encode() if isinstance(raw, str) else raw
    params: Params = Parameters(document(operation), operation).read(request(raw, headers))
    return params


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        ("limit=7", "limit", 7),
        ("text=7", "text", "7"),
        ("text=null", "text", "null"),
        ("number=null", "number", None),
        ("number=1.5e3", "number", 1500.0),
        ("flag=true", "flag", True),
        ("flag=False", "flag", False),
        ("names=a&names=b", "names", ["a", "b"]),
        ("names=a,b", "names", ["a", "b"]),
        ("names[]=a&names[]=b", "names", ["a", "b"]),
        ("names=", "names", []),
        ("numbers=1,2", "numbers", [1, 2]),
        ("filters={'key': 's'},{'key': 't'}", "filters", [{"key": "s"}, {"key": "t"}]),
        ('filters=[{"key":"s"}]', "filters", [{"key": "s"}]),
        ("address[uri]=http://x", "address", {"uri": "http://x"}),
        ('address={"uri":"y"}', "address", {"uri": "y"}),
        ("api-key=k", "api_key", "k"),
        ("text=%E2%82%AC", "text", "€"),
        ("unknown=1", "limit", None),
    ],
)
def test_value_is_read_as_its_schema_wants(raw: str, field: str, value: Any) -> None:
    assert getattr(read(raw), field) == value


def test_header_parameter() -> None:
    assert read("", {"x-region": "eu"}).x_region == "eu"


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ("limit=seven", "limit"),
        ("limit=0", "limit"),
        ("limit=1e3", "limit"),
        ("limit=" + "9" * 500, "limit"),
        ("flag=maybe", "flag"),
        ("numbers=1,x", "numbers"),
        ("filters={'nokey': 1}", "filters"),
        ("filters=__import__('os')", "filters"),
        ("text=%00", "text"),
    ],
)
def test_wrong_value_is_refused_by_name(raw: str, param: str) -> None:
    with pytest.raises(Invalid) as error:
        read(raw)
    assert error.value.param is not None
    assert error.value.param.startswith(param)


def test_query_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Invalid):
        read("text=%FF")


def test_missing_parameter_is_named() -> None:
    needed = query("limit", "Limit", required=True)
    operation = Operation("things_list", "GET", "/things", "h", "X", parameters=(needed,), params=Params)
    with pytest.raises(Invalid, match="limit") as error:
        Parameters(document(operation), operation).read(request())
    assert error.value.errors[0]["loc"] == ["query", "limit"]


def test_path_parameter_comes_from_the_router() -> None:
    parameter = Parameter("thing_id", "thing_id", "path", True, pointer("Text"), "simple", False)
    operation = Operation("things_get", "GET", "/things/{thing_id}", "h", "X", parameters=(parameter,), params=Params)
    asked: Request = request()
    asked.path_values = {"thing_id": "7"}
    assert Parameters(document(operation), operation).read(asked).thing_id == "7"
