"""A list of models is made and written once, until something that it is made of is another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from codegen.generated.ipop.routes import ModelsListParams as IpopParams
from codegen.generated.maniac.routes import ModelsListParams as ManiacParams
from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder
from handlers.core.model_lists import MOST_SHOWN, ModelList, ModelLists
from handlers.core.models import Wish, register_model, unregister_model
from handlers.core.services import Services
from handlers.ipop.models import models_list as ipop
from handlers.llama_stack.models import models_list as llama_stack
from handlers.llama_stack_deprecated.models import llama_models_list
from handlers.llama_stack_deprecated.models import models_list as deprecated
from handlers.maniac.models import models_list as maniac
from tests.unit.handlers.bench import FULL, PLAIN, make_call, make_services

LISTS: dict[str, Any] = {
    "maniac": lambda call: maniac(ManiacParams(), call),
    "ipop": lambda call: ipop(IpopParams(), call),
    "llama_stack": llama_stack,
    "llama_stack_deprecated": deprecated,
    "the older of llama_stack_deprecated": llama_models_list,
}


async def written(api: str, call: Call) -> bytes:
    content = (await LISTS[api](call)).content
    assert isinstance(content, bytes)
    return content


async def ids(api: str, call: Call) -> set[str]:
    listed = orjson.loads(await written(api, call))["data"]
    return {model.get("id") or model["identifier"] for model in listed}


def of(services: Services, **who: Any) -> Call:
    return make_call("maniac", services, **who)


@pytest.mark.parametrize("api", LISTS)
async def test_it_is_written_once(api: str) -> None:
    services = make_services()
    assert await written(api, of(services)) is await written(api, of(services))


@pytest.mark.parametrize("api", LISTS)
async def test_what_it_is_made_of_changes_it_at_once(api: str) -> None:
    holder = CatalogHolder(Catalog([FULL, PLAIN]))
    services = make_services(catalog=holder)
    before = await ids(api, of(services))
    assert {FULL.id, PLAIN.id} <= before
    await register_model(Wish("mine", "simulator"), of(services))
    assert await ids(api, of(services)) == {*before, "mine"}
    await unregister_model("mine", of(services))
    assert await ids(api, of(services)) == before
    holder.current = Catalog([FULL])
    assert await ids(api, of(services)) == before - {PLAIN.id}


@pytest.mark.parametrize("api", LISTS)
async def test_it_is_its_projects_and_its_keys_own(api: str) -> None:
    services = make_services()
    await register_model(Wish("mine", "simulator"), of(services))
    limited = of(services, models=frozenset({FULL.id}))
    other = replace(of(services), who=replace(of(services).caller, project_id="project-2"))
    assert "mine" in await ids(api, of(services))
    assert "mine" not in await ids(api, other)
    assert await ids(api, limited) == {FULL.id}
    assert "mine" in await ids(api, of(services))


async def test_another_page_or_filter_is_another_list() -> None:
    services = make_services(profile="production")
    pages = [orjson.loads((await maniac(ManiacParams(limit=1, offset=n), of(services))).content) for n in range(2)]
    assert pages[0]["data"] != pages[1]["data"]
    every = await ipop(IpopParams(include_unavailable=True), of(services))
    assert len(orjson.loads(every.content)["data"]) > len(await ids("ipop", of(services)))


def test_sources_that_are_equal_make_no_new_list() -> None:
    lists = ModelLists()
    first = lists.get("p", (["a"], 1), list)
    assert lists.get("p", (["a"], 1), list) is first
    assert lists.get("p", (["a", "b"], 1), list) is not first


def test_no_more_than_so_many_shapes_are_kept() -> None:
    listed = ModelList([], ())
    for number in range(3 * MOST_SHOWN):
        assert listed.show(number, lambda _, shown=number: shown) == str(number).encode()
        assert len(listed._shown) <= MOST_SHOWN
