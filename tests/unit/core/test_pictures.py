"""Pictures that callers name by address."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.core import chat
from handlers.core.asks import ChatAsk
from handlers.core.breakers import Breakers, Rule
from handlers.core.errors import Invalid
from handlers.core.pictures import LARGEST_BYTES
from handlers.core.services import Traits
from providers.fetch import Fetched
from providers.inference.interface import ChatRequest
from tests.unit.core.vendors import STOP, Vendor, chunk
from tests.unit.handlers.bench import make_call, make_services
from tests.unit.handlers.doubles import Addressed

URL = "https://pictures.example/cat.png"
TWIN = "https://pictures.example/dog.png"
DATA = "data:image/png;base64,aGVsbG8="
FETCHED = "data:image/png;base64,Q0FU"


def page(content: bytes = b"CAT", media_type: str = "image/png; charset=x", status: int = 200) -> Fetched:
    return Fetched(URL, status, {"content-type": media_type}, content)


def part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def asking(*urls: str) -> ChatAsk:
    content = [{"type": "text", "text": "What is this?"}, *map(part, urls)]
    messages: list[Any] = [{"role": "system", "content": "Look."}, {"role": "user", "content": content}]
    return ChatAsk(models=("openai/gpt-5.5",), messages=messages)


def services(pages: Addressed, *vendors: Vendor, internal: bool = True, **more: Any) -> Any:
    traits = {vendor.name: Traits(internal, internal) for vendor in vendors}
    return make_services(*vendors, fetcher=pages, traits=traits.__getitem__, **more)


def urls_of(vendor: Vendor) -> list[str]:
    (request,) = vendor.asked
    assert isinstance(request, ChatRequest)
    content = request.messages[-1]["content"]
    assert content[0] == {"type": "text", "text": "What is this?"}
    assert all(piece["image_url"]["detail"] == "low" for piece in content[1:])
    return [piece["image_url"]["url"] for piece in content[1:]]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_vendor_of_our_own_network_gets_pictures_as_data(streamed: bool) -> None:
    vendor, pages = Vendor("openai", chunks=[chunk(STOP)]), Addressed({URL: page(), TWIN: page()})
    call = make_call("maniac", services(pages, vendor))
    if streamed:
        await chat.stream(asking(URL, DATA, URL, TWIN), call)
    else:
        await chat.complete(asking(URL, DATA, URL, TWIN), call)
    assert urls_of(vendor) == [FETCHED, DATA, FETCHED, FETCHED]
    assert pages.asked == [(URL, LARGEST_BYTES), (TWIN, LARGEST_BYTES - 3)]


async def test_a_public_vendor_fetches_for_itself() -> None:
    vendor, pages = Vendor("openai"), Addressed({URL: page()})
    await chat.complete(asking(URL), make_call("maniac", services(pages, vendor, internal=False)))
    assert urls_of(vendor) == [URL]
    assert pages.asked == []


@pytest.mark.parametrize(
    ("pages", "urls", "said"),
    [
        (Addressed(), [URL], "cannot be found"),
        (Addressed({URL: page(status=404)}), [URL], "answered 404"),
        (Addressed({URL: page(media_type="text/html")}), [URL], "no picture"),
        (Addressed({URL: page(b"x" * (LARGEST_BYTES + 1))}), [URL], "too large"),
        (Addressed(), [f"{URL}?{number}" for number in range(21)], "more than 20"),
    ],
)
async def test_a_picture_that_cannot_be_had_is_the_callers(pages: Addressed, urls: list[str], said: str) -> None:
    vendor, other = Vendor("openai"), Vendor("openrouter")
    made = services(pages, vendor, other, breakers=Breakers(Rule(failures=1)))
    with pytest.raises(Invalid, match=said) as caught:
        await chat.complete(asking(*urls), make_call("maniac", made))
    assert (caught.value.code, caught.value.param) == ("picture_not_available", "messages")
    assert vendor.asked == other.asked == []
    assert made.breakers.state(made.catalog.current.models["openai/gpt-5.5"].deployments[0]) == "closed"
