"""The built-in catalog, the operator's file over it, and its reload."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from handlers.core.catalog import Deployment
from server.catalog import CatalogError, CatalogWatcher, Loaded, load, usable
from server.config import ConfigError
from server.config import load as load_settings
from tests.house.files import ROOT

OWN_MODEL = """
vendors:
  - {name: basement, kind: openai_compatible, base_url: "http://127.0.0.1:9/v1/", key_optional: true}
models:
  - id: basement/llama
    capabilities: [chat, streaming]
    context_tokens: 8192
    max_output_tokens: 1024
    created: 1970-01-02
    deployments: [{vendor: basement, model: llama}]
    prices: [{input_usd: 0.1, output_usd: 0.2}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.yaml"


def test_every_public_model_of_ipop_is_there() -> None:
    document = json.loads((ROOT / "specs/documents/ipop.json").read_bytes())
    models = load().catalog.models
    assert [model_id for model_id in document["x-public-model-ids"] if model_id not in models] == []
    assert all(models[model_id].prices for model_id in document["x-public-model-ids"])


def test_the_simulator_and_the_local_embeddings_are_there() -> None:
    catalog = load().catalog
    embeddings = catalog.models["local/all-minilm-l6-v2"]
    assert (embeddings.kind, embeddings.embedding_dimensions) == ("embedding", 384)
    assert "chat" not in embeddings.capabilities
    assert catalog.models["simulator/chat"].deployments == (Deployment("simulator", "chat"),)
    assert catalog.find("simulator:chat") is catalog.models["simulator/chat"]


def test_a_missing_file_changes_nothing(file: Path) -> None:
    assert load(file).catalog.models == load().catalog.models


def test_the_operator_adds_a_vendor_and_a_model(file: Path) -> None:
    file.write_text(OWN_MODEL)
    loaded = load(file)
    model = loaded.catalog.models["basement/llama"]
    assert (model.display_name, model.owned_by, model.kind, model.created) == (
        "basement/llama",
        "basement",
        "chat",
        86400,
    )
    assert (model.prices[0].vendor, model.prices[0].input_usd) == ("basement", Decimal("0.1"))
    assert loaded.vendors["basement"].base_url == "http://127.0.0.1:9/v1"
    assert loaded.vendors["basement"].key_env == "BASEMENT_API_KEY"
    assert "openai/gpt-5.5" in loaded.catalog.models


def test_the_operator_overrides_only_what_is_named(file: Path) -> None:
    file.write_text(
        "vendors: [{name: openai, base_url: 'http://127.0.0.1:9'}]\n"
        "models: [{id: openai/gpt-5.5, prices: [{input_usd: 4, output_usd: 24}]}]\n"
    )
    before, after = load().catalog.models["openai/gpt-5.5"], load(file).catalog.models["openai/gpt-5.5"]
    assert [price.output_usd for price in after.prices] == [Decimal(24)]
    assert (after.deployments, after.created) == (before.deployments, before.created)
    assert load(file).vendors["openai"].base_url == "http://127.0.0.1:9"


def test_the_operator_removes_a_model(file: Path) -> None:
    file.write_text("models: [{id: ling-2.6-flash, enabled: false}]\n")
    assert load().catalog.models.keys() - load(file).catalog.models.keys() == {"ling-2.6-flash"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: [", "cannot be read"),
        ("- models", "must be a mapping"),
        ("modles: []", "must be a mapping"),
        ("models: {a: b}", "are lists"),
        ("models: [{display_name: x}]", "entry 1 has no `id`"),
        ("models: [{id: a}, {id: a}]", "a is there twice"),
        ("models: [{id: a, enabled: perhaps}]", "a: enabled"),
        ("models: [{id: simulator/chat, enabled: false}]", "simulator/chat cannot be removed"),
        ("models: [{id: codestral-2508, colour: red}]", "model codestral-2508: there is no field colour"),
        ("models: [{id: codestral-2508, context_tokens: many}]", "model codestral-2508: context_tokens: Input"),
        ("models: [{id: codestral-2508, capabilities: [chat, dance]}]", "model codestral-2508: capabilities"),
        ("models: [{id: codestral-2508, capabilities: [code]}]", "capability `chat`"),
        ("models: [{id: codestral-2508, kind: embedding}]", "needs embedding_dimensions"),
        ("models: [{id: codestral-2508, deployments: []}]", "needs a deployment"),
        ("models: [{id: codestral-2508, deployments: [a]}]", "deployments: must be a list of mappings"),
        ("models: [{id: codestral-2508, deployments: [{vendor: moon, model: a}]}]", "there is no vendor moon"),
        ("models: [{id: codestral-2508, prices: [{input_usd: 1}]}]", "prices: output_usd: Field required"),
        ("models: [{id: codestral-2508, prices: cheap}]", "prices: must be a list of mappings"),
        ("models: [{id: codestral-2508, prices: [free]}]", "prices: must be a list of mappings"),
        (
            "models: [{id: codestral-2508, prices: [{input_usd: 1, output_usd: 1, context_band: long}]}]",
            "needs threshold_tokens",
        ),
        ("vendors: [{name: moon, kind: openai_compatible}]", "vendor moon: base_url"),
        ("vendors: [{name: moon, kind: cheese}]", "vendor moon: kind"),
        ("vendors: [{name: mistral, enabled: false}]", "there is no vendor mistral"),
    ],
)
def test_a_mistake_is_named_with_file_and_entry(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(CatalogError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_two_ids_that_callers_cannot_tell_apart_are_refused(file: Path) -> None:
    file.write_text(OWN_MODEL.replace("id: basement/llama", "id: simulator:chat"))
    with pytest.raises(CatalogError, match="are one id"):
        load(file)


def test_a_vendor_is_usable_with_a_key_or_where_none_is_needed(file: Path) -> None:
    file.write_text(OWN_MODEL)
    environ = {"ANTHROPIC_API_KEY": "sk-ant", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    vendors = usable(load(file).vendors, load_settings({"data_dir": file.parent}, environ).settings)
    assert vendors.keys() == {"simulator", "local", "anthropic", "basement", "ollama", "vllm"}
    assert (vendors["anthropic"].base_url, vendors["anthropic"].key) == ("http://127.0.0.1:9", SecretStr("sk-ant"))


def test_in_production_nothing_on_this_machine_is_called_that_nobody_named(file: Path) -> None:
    file.write_text(OWN_MODEL)

    def used(environ: dict[str, str]) -> set[str]:
        settings = load_settings({"data_dir": file.parent, "profile": "production"}, environ).settings
        return set(usable(load(file).vendors, settings))

    assert used({}) == {"simulator", "local", "basement"}
    assert used({"VLLM_BASE_URL": "http://127.0.0.1:8000/v1"}) == {"simulator", "local", "basement", "vllm"}


def write(file: Path, text: str) -> None:
    file.write_text(text)


def remove(file: Path) -> None:
    file.unlink()


class Applied:
    """Keeps what a watcher hands over."""

    def __init__(self, error: Exception | None = None) -> None:
        self.catalogs: list[Loaded] = []
        self.error = error

    async def __call__(self, loaded: Loaded) -> None:
        if self.error:
            raise self.error
        self.catalogs.append(loaded)


async def test_a_change_of_the_file_is_applied_once(file: Path) -> None:
    applied = Applied()
    watcher = CatalogWatcher(file, applied)
    await watcher.look()
    write(file, OWN_MODEL)
    await watcher.look()
    await watcher.look()
    assert [("basement/llama" in loaded.catalog.models) for loaded in applied.catalogs] == [True]
    remove(file)
    await watcher.look()
    assert "basement/llama" not in applied.catalogs[-1].catalog.models


async def test_a_broken_file_is_not_applied_and_a_mended_one_is(file: Path) -> None:
    applied = Applied()
    watcher = CatalogWatcher(file, applied)
    write(file, "models: [")
    await watcher.look()
    assert applied.catalogs == []
    write(file, OWN_MODEL)
    await watcher.look()
    assert len(applied.catalogs) == 1


@pytest.mark.parametrize("error", [CatalogError("no"), ConfigError("no")])
async def test_a_catalog_that_cannot_be_applied_does_not_stop_the_watcher(file: Path, error: Exception) -> None:
    applied = Applied(error)
    watcher = CatalogWatcher(file, applied)
    write(file, OWN_MODEL)
    await watcher.look()
    applied.error = None
    write(file, f"{OWN_MODEL}\n")
    await watcher.look()
    assert len(applied.catalogs) == 1
