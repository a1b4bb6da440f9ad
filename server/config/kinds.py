"""The kinds of values that settings have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Secret, SecretStr
from pydantic_settings import NoDecode

from codegen.generated import APIS as MOUNTS

APIS: tuple[str, ...] = tuple(api.slug for api in MOUNTS)

PASSWORD_IN_URL = re.compile(r"(?<=://)([^:/@\s]*):\S*@|(?<=password=)[^&\s]+")


class SecretUrl(Secret[str]):
    """A URL that shows itself with its password masked."""

    def _display(self) -> str:
        return PASSWORD_IN_URL.sub(
            lambda found: "*****" if found[1] is None else f"{found[1]}:*****@", self.get_secret_value()
        )


def split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def split_pairs(secret: SecretStr | None) -> list[str]:
    return [pair.strip() for pair in secret.get_secret_value().split(",") if pair.strip()] if secret else []


def slug(value: object) -> object:
    """`llama-stack`, as in a path, names the same API as `llama_stack`."""
    return value.strip().strip("/").replace("-", "_") if isinstance(value, str) else value


def known(name: str) -> str:
    if name not in APIS:
        raise ValueError(f"there is no API {name}; there are {', '.join(APIS)}")
    return name


Api = Annotated[str, BeforeValidator(slug), AfterValidator(known)]
Apis = Annotated[tuple[Api, ...], NoDecode, BeforeValidator(split_commas)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Seconds = Annotated[float, Field(gt=0)]
