"""The kinds of values that settings have."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, Secret, SecretStr
from pydantic_settings import NoDecode

ApiName = Literal["maniac", "ipop", "llama_stack", "llama_stack_deprecated"]
APIS: tuple[ApiName, ...] = get_args(ApiName)

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


Api = Annotated[ApiName, BeforeValidator(slug)]
Apis = Annotated[tuple[Api, ...], NoDecode, BeforeValidator(split_commas)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Seconds = Annotated[float, Field(gt=0)]
