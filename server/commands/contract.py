"""Contract testing: `concordat contract`."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.output import CANNOT, WRONG, complain

if TYPE_CHECKING:
    from server.contract.local import Target
    from server.contract.record import RunRecord
    from server.contract.runner import Options

SECONDS = 60
SECONDS_LONG = 3600
SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Reports:
    junit: Path | None
    markdown: Path | None


def contract(
    *,
    url: Annotated[str | None, typer.Option(help="A running server; without it one is started for the run.")] = None,
    key: Annotated[str | None, typer.Option(help="An API key of that server.", envvar="CONCORDAT_CONTRACT_KEY")] = None,
    admin_token: Annotated[
        str, typer.Option(help="Its admin token, for what needs one.", envvar="CONCORDAT_CONTRACT_ADMIN_TOKEN")
    ] = "",
    access_key: Annotated[
        str, typer.Option(help="ID:SECRET of an S3 access key, to sign with.", envvar="CONCORDAT_CONTRACT_ACCESS_KEY")
    ] = "",
    api: Annotated[list[str] | None, typer.Option(help="Only this API; may be repeated.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Where that one API is mounted, if not at its own place.")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="Only this operation; may be repeated.")] = None,
    model: Annotated[
        str, typer.Option(help="A chat model that the server has, to ask for streams.")
    ] = "simulator/chat",
    seconds: Annotated[float | None, typer.Option(help="How long to try, shared by the APIs.")] = None,
    examples: Annotated[int | None, typer.Option(help="Try so many cases of an operation and phase instead.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeats a run.")] = None,
    stateful: Annotated[bool, typer.Option("--stateful", help="Also try operations one after the other.")] = False,
    long: Annotated[bool, typer.Option("--long", help="An hour, stateful, with more streams.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report here, in Markdown.")] = None,
) -> None:
    """Hold a server against the documents: fuzz it, read its streams, and fail when something deviates."""
    _need_schemathesis()
    from server.contract.runner import Options

    if url and not key:
        _refuse("--url needs --key")
    options = Options(
        prefixes=_prefixes(api, prefix),
        seed=random.randrange(SEEDS) if seed is None else seed,  # noqa: S311 - no secret
        operations=_known(operation or (), api),
        seconds=_seconds(seconds, examples, long),
        examples=examples,
        stateful=stateful,
        long=long,
        model=model,
    )
    typer.echo(f"seed {options.seed}")
    with _target(url, key or "", admin_token, access_key) as target:
        record = _run(options, target, _again(options, url, prefix))
    _write(record, Reports(junit, report))
    if record.failed:
        raise typer.Exit(CANNOT)


def _need_schemathesis() -> None:
    from importlib.util import find_spec

    if find_spec("schemathesis") is None:
        complain("schemathesis is not installed; it is in the dependency group `test` (`make test` installs it)")
        raise typer.Exit(WRONG)


def _prefixes(api: list[str] | None, prefix: str | None) -> Mapping[str, str]:
    from server.app import PREFIXES
    from server.inspect import apis

    unknown = sorted(set(api or ()) - set(apis()))
    if unknown:
        _refuse(f"there is no API {unknown[0]!r}; there are {', '.join(apis())}")
    chosen = api or apis()
    if prefix is not None:
        if len(chosen) != 1:
            _refuse("--prefix is for one --api")
        return {chosen[0]: prefix.rstrip("/")}
    return {one: PREFIXES.get(one, f"/{one.replace('_', '-')}") for one in chosen}


def _known(names: list[str] | tuple[()], api: list[str] | None) -> frozenset[str]:
    from server.inspect import apis, operations

    there = {row.operation_id for one in api or apis() for row in operations(one)}
    unknown = sorted(set(names) - there)
    if unknown:
        _refuse(f"there is no operation {unknown[0]!r}; `concordat status` lists them")
    return frozenset(names)


def _seconds(seconds: float | None, examples: int | None, long: bool) -> float | None:
    """Examples alone bound a run as well."""
    if seconds is None and examples is None:
        return SECONDS_LONG if long else SECONDS
    return seconds


def _again(options: Options, url: str | None, prefix: str | None) -> str:
    """The command that repeats a run, without its secrets."""
    words = ["concordat", "contract", "--seed", str(options.seed)]
    words += ["--url", url, "--key", "..."] if url else []
    words += [word for one in options.prefixes for word in ("--api", one)]
    words += ["--prefix", prefix] if prefix is not None else []
    words += [word for one in sorted(options.operations) for word in ("--operation", one)]
    words += ["--seconds", f"{options.seconds:g}"] if options.seconds is not None else []
    words += ["--examples", str(options.examples)] if options.examples is not None else []
    words += ["--stateful"] * options.stateful + ["--long"] * options.long
    return shlex.join(words)


@contextmanager
def _target(url: str | None, key: str, admin_token: str, access_key: str) -> Iterator[Target]:
    from server.contract.local import CannotStartError, Target, serving
    from server.contract.signing import AccessKey

    if url:
        name, _, secret = access_key.partition(":")
        yield Target(url.rstrip("/"), key, admin_token, AccessKey(name, secret) if secret else None)
        return
    try:
        with serving() as target:
            yield target
    except CannotStartError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None


def _run(options: Options, target: Target, command: str) -> RunRecord:
    import httpx

    from codegen.load import DocumentError
    from server.contract import runner

    try:
        return runner.run(options, target, command)
    except httpx.TransportError as error:
        complain(f"{target.url} does not answer: {error}")
    except DocumentError as error:
        complain(str(error))
    raise typer.Exit(CANNOT)


def _write(record: RunRecord, reports: Reports) -> None:
    from server.contract import junit, report

    for line in report.summary(record):
        typer.echo(line)
    if reports.junit is not None:
        reports.junit.write_bytes(junit.junit(record))
    if reports.markdown is not None:
        reports.markdown.write_text(report.markdown(record), encoding="utf-8")


def _refuse(message: str) -> None:
    complain(message)
    raise typer.Exit(WRONG)
