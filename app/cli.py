"""The `backstop` command. Imports are lazy, so that `backstop --help` is quick."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.settings import Settings, SettingsError, parse_port, read_settings

OK, FAILURE, USAGE = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments).parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        code: int = options.run(options)
    except SettingsError as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return FAILURE
    return code


# What can be asked


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backstop", description="A futures risk engine with insurance funds."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_serve(commands)
    _add_keys(commands)
    _add_replay(commands, wanted="replay" in arguments[:1])
    _add_demo(commands, wanted="demo" in arguments[:1])
    _add_import(commands)
    _add_stress(commands)
    _add_prices(commands, wanted="prices" in arguments[:1])
    _add_verify(commands)
    _add_verify_history(commands)
    _add_calibrate(commands, wanted="calibrate" in arguments[:1])
    return parser


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser("serve", help="run the service")
    serve.add_argument("--host", help="address to listen on (BACKSTOP_HOST, 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (BACKSTOP_PORT, 8000)")
    _add_data_dir(serve)
    serve.set_defaults(run=_serve)


def _add_keys(commands: Any) -> None:
    keys = commands.add_parser("keys", help="manage API keys")
    create = keys.add_subparsers(required=True, metavar="action").add_parser(
        "create",
        help="create an API key and print it",
        description="Create an API key and print it. While the service runs this needs an admin"
        " key in BACKSTOP_ADMIN_KEY; while it does not, access to its database is enough.",
    )
    create.add_argument("--scope", required=True, choices=("admin", "feed", "trader"))
    create.add_argument("--account-id", help="the account of a trader key")
    create.add_argument("--name", default="command line", help="what the key is for")
    _add_data_dir(create)
    create.set_defaults(run=_create_key)


def _add_replay(commands: Any, *, wanted: bool) -> None:
    replay = commands.add_parser("replay", help="drive a running service from market data")
    if wanted:
        from app.replay.cli import add_arguments  # noqa: PLC0415 - lazy

        add_arguments(replay)
        replay.set_defaults(run=_replay)


def _add_demo(commands: Any, *, wanted: bool) -> None:
    demo = commands.add_parser("demo", help="show a market crash, from nothing, in a minute")
    if wanted:
        from app.demo.cli import add_arguments  # noqa: PLC0415 - lazy

        add_arguments(demo)
        demo.set_defaults(run=_demo)


def _add_import(commands: Any) -> None:
    importing = commands.add_parser(
        "import",
        help="import the exchange's own contracts into a running service",
        description="List or change contracts from two files of the exchange, as they come from"
        " it: all, or none. Numbers stay exact. Files may be gzipped (.gz).",
    )
    importing.add_argument("exchange_info", type=Path, metavar="EXCHANGE_INFO")
    importing.add_argument("leverage_brackets", type=Path, metavar="LEVERAGE_BRACKETS")
    importing.add_argument("--url", help="the service (http://BACKSTOP_HOST:BACKSTOP_PORT)")
    importing.add_argument("--admin-key", metavar="KEY", help="(BACKSTOP_ADMIN_KEY)")
    importing.add_argument("--verbose", action="store_true", help="name the skipped symbols")
    importing.set_defaults(run=_import)


def _add_stress(commands: Any) -> None:
    stress = commands.add_parser(
        "stress",
        help="ask a running service what price shocks would do",
        description="Ask a running service what price shocks would do to the positions of now, of"
        " which none is touched: `fast` by a formula, at once; `engine` by the real waterfall on a"
        " copy, which needs an admin's key.",
    )
    stress.add_argument(
        "--shock",
        action="append",
        default=[],
        metavar="SYMBOL=CHANGE",
        help="a contract's change, as BTCUSDT=-0.3; '*' is all others; may be repeated",
    )
    stress.add_argument("--scenario", metavar="ID", help="of the stress library, as 2020-03-12")
    stress.add_argument("--asset", help="only contracts that settle in it")
    stress.add_argument("--mode", choices=("fast", "engine"), default="fast")
    stress.add_argument("--book", choices=("as_is", "none"), default="as_is")
    stress.add_argument("--fund", choices=("as_is", "unlimited"), default="as_is")
    stress.add_argument("--json", action="store_true", help="print the whole answer")
    stress.add_argument("--url", help="the service (http://BACKSTOP_HOST:BACKSTOP_PORT)")
    stress.add_argument("--admin-key", metavar="KEY", help="(BACKSTOP_ADMIN_KEY)")
    stress.set_defaults(run=_stress)


def _add_prices(commands: Any, *, wanted: bool) -> None:
    prices = commands.add_parser("prices", help="past prices, which calibrations are made from")
    if wanted:
        from app.price_importing import add_arguments  # noqa: PLC0415 - lazy

        add_arguments(prices.add_subparsers(required=True, metavar="action"))
        prices.set_defaults(run=_import_prices)


def _add_verify(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="replay the command log and compare it with the tables",
        description="Replay the command log from the beginning into a fresh engine and compare all"
        " that comes out with the tables: every record, fund history hash, balance, position and"
        " order, the state hash and the laws. Changes nothing and may run while the service does."
        " Exits with 0 if all agrees, 1 at the first difference, 2 if it cannot tell.",
    )
    _add_data_dir(verify)
    verify.set_defaults(run=_verify)


def _add_verify_history(commands: Any) -> None:
    verify = commands.add_parser(
        "verify-history",
        help="check an exported history of funds or the treasury with the file alone",
        description="Check every row of an exported history of insurance funds, or the treasury:"
        " hash chain, sequence, order and balances. Needs neither database nor service. Exits with"
        " 0 if all holds, and prints each chain's head; 1 at the first broken row, or if a pinned"
        " head is not in it; 2 if the file cannot be read.",
    )
    verify.add_argument("file", metavar="FILE.csv", help="the export; - is standard input")
    verify.add_argument(
        "--head",
        action="append",
        default=[],
        metavar="SEQUENCE:HASH",
        help="a head noted before, which must be a row of the file: nothing else shows that rows"
        " at its end are missing; may be repeated",
    )
    verify.set_defaults(run=_verify_history)


def _add_calibrate(commands: Any, *, wanted: bool) -> None:
    calibrate = commands.add_parser(
        "calibrate",
        help="work out what insurance funds must hold",
        description="Work out what the insurance funds of a settlement asset must hold, from the"
        " positions and past prices in the database, and propose it. It may run while the service"
        " does, and on a replica: there nothing is stored.",
    )
    if wanted:
        from app.calibration.cli import add_arguments  # noqa: PLC0415 - lazy

        add_arguments(calibrate)
        _add_data_dir(calibrate)
        calibrate.set_defaults(run=_calibrate)


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, help="home of the embedded PostgreSQL")


def _settings(options: argparse.Namespace) -> Settings:
    """The environment's settings, with those of the command line instead where given."""
    settings = read_settings()
    given = {name: getattr(options, name, None) for name in ("host", "port", "data_dir")}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "port" in changes:
        changes["port"] = parse_port(changes["port"])
    return replace(settings, **changes)


# What is done


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options)

    from app.main import serve  # noqa: PLC0415 - lazy

    return _run(serve(settings, _say))


def _create_key(options: argparse.Namespace) -> int:
    if (options.scope == "trader") != (options.account_id is not None):
        return _fail("--account-id belongs to --scope trader, and only there", USAGE)
    settings = _settings(options)
    new_key = {"name": options.name, "scope": options.scope, "account_id": options.account_id}
    if settings.admin_key and (code := _ask_service(settings, new_key)) is not None:
        return code

    from app.main import create_key  # noqa: PLC0415 - lazy

    async def create() -> None:
        print(await create_key(settings, _mutter, **new_key))

    return _run(create())


def _replay(options: argparse.Namespace) -> int:
    settings = _settings(options)

    from app.replay import cli as replay_cli  # noqa: PLC0415 - lazy

    return replay_cli.run(options, settings.address, settings.admin_key)


def _demo(options: argparse.Namespace) -> int:
    settings = _settings(options)

    from app.demo import cli as demo_cli  # noqa: PLC0415 - lazy

    return demo_cli.run(options, settings.admin_key)


def _stress(options: argparse.Namespace) -> int:
    settings = _settings(options)

    from app import stressing  # noqa: PLC0415 - lazy

    names = ("scenario", "asset", "mode", "book", "fund")
    body = {name: getattr(options, name) for name in names if getattr(options, name)}
    try:
        if options.shock:
            body["shocks"] = stressing.parse_shocks(options.shock)
        key = options.admin_key or settings.admin_key
        answer = stressing.ask(options.url or settings.address, key, body)
    except stressing.StressingError as error:
        return _fail(str(error))
    print(json.dumps(answer, indent=1) if options.json else stressing.table(answer))
    return OK


def _import(options: argparse.Namespace) -> int:
    settings = _settings(options)
    admin_key = options.admin_key or settings.admin_key
    if not admin_key:
        return _fail("an admin's key is needed: --admin-key, or BACKSTOP_ADMIN_KEY", USAGE)

    from app.importing import ImportingError, import_files  # noqa: PLC0415 - lazy

    try:
        imported = import_files(
            options.url or settings.address,
            admin_key,
            options.exchange_info,
            options.leverage_brackets,
        )
    except ImportingError as error:
        return _fail(str(error))
    print(imported.summary(verbose=options.verbose))
    return OK


def _import_prices(options: argparse.Namespace) -> int:
    settings = _settings(options)
    admin_key = options.admin_key or settings.admin_key
    if not admin_key:
        return _fail("an admin's key is needed: --admin-key, or BACKSTOP_ADMIN_KEY", USAGE)

    from app.importing import ImportingError  # noqa: PLC0415 - lazy
    from app.price_importing import (  # noqa: PLC0415 - lazy
        PriceFormat,
        PriceTarget,
        import_prices,
    )

    columns = PriceFormat(
        options.symbol, options.time_column, options.close_column, options.volume_column
    )
    url = options.url or settings.address
    target = PriceTarget(url, admin_key, options.interval, options.source)
    try:
        print(import_prices(options.file, columns, target))
    except ImportingError as error:
        return _fail(str(error))
    return OK


def _verify(options: argparse.Namespace) -> int:
    settings = _settings(options)

    from app.verify import cli as verify_cli  # noqa: PLC0415 - lazy

    return verify_cli.run(settings.database_url, settings.data_dir)


def _verify_history(options: argparse.Namespace) -> int:
    from app.verify import history  # noqa: PLC0415 - lazy

    try:
        pins = [history.read_pin(text) for text in options.head]
    except ValueError as error:
        return _fail(str(error), USAGE)
    return history.run(options.file, pins)


def _calibrate(options: argparse.Namespace) -> int:
    settings = _settings(options)

    from app.calibration import cli as calibration_cli  # noqa: PLC0415 - lazy

    return calibration_cli.run(
        options, settings.database_url, settings.data_dir, settings.address, settings.admin_key
    )


def _ask_service(settings: Settings, new_key: dict[str, Any]) -> int | None:
    """Let a running service create the key; None when there is none."""
    import httpx  # noqa: PLC0415 - lazy

    headers = {"Authorization": f"Bearer {settings.admin_key}"}
    try:
        answer = httpx.post(f"{settings.address}/v1/api-keys", json=new_key, headers=headers)
    except httpx.ConnectError:
        return None
    except httpx.HTTPError as error:
        return _fail(f"{settings.address} does not answer: {error}")
    if not answer.is_success:
        return _fail(f"{settings.address} refuses: {answer.text}")
    print(answer.json()["api_key"])
    return OK


def _run(work: Coroutine[Any, Any, None]) -> int:
    import uvloop  # noqa: PLC0415 - lazy

    from app.main import StartError  # noqa: PLC0415 - lazy

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except StartError as error:
        return _fail(str(error))
    return OK


def _say(line: str) -> None:
    print(line, flush=True)


def _mutter(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(reason: str, code: int = FAILURE) -> int:
    print(f"backstop: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
