from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.providers.rigs import HASTY, Rig, rig_of


@pytest.fixture(params=["openai", "anthropic", "simulator"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each implementation."""
    async with rig_of(request.param) as rig:
        yield rig


@pytest.fixture(params=["openai", "anthropic"])
async def remote(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each implementation that talks to a vendor over HTTP."""
    async with rig_of(request.param) as rig:
        yield rig


@pytest.fixture(params=["openai", "anthropic", "simulator"])
async def hasty(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each implementation, soon tired of waiting."""
    async with rig_of(request.param, HASTY) as rig:
        yield rig
