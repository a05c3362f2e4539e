"""`spanbench leaderboard …`: what is done with submissions. Only `verify` and `freeze` need torch."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.parsing import PlainHelp, check_output, condense
from benchmark.registry import UsageError, unknown
from leaderboard.ranking.entrants import SUBMISSIONS, Entrant, gathered, read_entrants
from leaderboard.validation.folder import MAIN
from leaderboard.validation.validate import validate as checked

COMMANDS = {
    "validate": "hold submissions against the suite: a line a finding",
    "verify": "score a submission again from its weights, or run cells of it again",
    "rank": "every board, with rank intervals and ties",
    "render": "the leaderboard as a static site",
    "serve": "the site on a local port",
    "withdraw": "take a submission off the ranking; it stays to be seen",
    "freeze": "make the next revision of a suite from the runs of its own models",
}
BOARD = SUBMISSIONS.parent


def leaderboard(argv: Sequence[str]) -> int:
    """Run one of the commands. Raises UsageError."""
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS)) + 2
        print("usage: spanbench leaderboard COMMAND [options]\n")
        print("\n".join(f"  {name:{width}}{text}" for name, text in COMMANDS.items()))
        print("\n`spanbench leaderboard COMMAND --help` says more.")
        return 0 if argv else 2
    command, *rest = argv
    if command not in COMMANDS:
        raise unknown("leaderboard command", command, COMMANDS)
    parser, function = leaderboard_parser(command)
    try:
        options = parser.parse_args(rest).as_dict()
    except ArgumentError as error:
        raise UsageError(f"leaderboard {command}: {condense(str(error), parser)}") from None
    return function(**options)


def leaderboard_parser(command: str) -> tuple[ArgumentParser, Callable[..., int]]:
    """The parser of one of the commands, and what runs it."""
    parser = ArgumentParser(
        prog=f"spanbench leaderboard {command}",
        description=COMMANDS[command],
        formatter_class=PlainHelp,
        allow_abbrev=False,
        exit_on_error=False,
    )
    if command == "validate":
        parser.add_argument("path", help="a submission's folder, or the leaderboard's: all of them and the ledger")
    elif command == "verify":
        _verify_options(parser)
    elif command == "withdraw":
        parser.add_argument("id", help="of the submission, or its folder")
        parser.add_argument("--note", required=True, help="the reason, for the ledger")
        parser.add_argument("--by", type=str | None, help="who does it (default: git's user.name)")
    elif command == "freeze":
        parser.add_argument("name", help="a table without models, as small: its cells become the suite's")
        parser.add_argument(
            "--records", required=True, help="a folder with records/ and cells/ of the suite's own models"
        )
        parser.add_argument("--reference", default="transformer", help="the model whose scores are 1")
    else:
        parser.add_argument("--board", default=str(BOARD), help="the folder with submissions/ and ledger.jsonl in it")
    if command == "rank":
        parser.add_argument("--json", type=bool, nargs="?", const=True, default=False, help="all figures, as JSON")
    if command in ("render", "serve"):
        parser.add_argument("--output", default="runs/site", help="the site goes there")
    if command == "serve":
        parser.add_argument("--port", type=int, default=8000, help="on localhost; 0: any that is free")
    return parser, {"validate": validate, "rank": rank, "render": render, "serve": serve}.get(
        command, _trained(command)
    )


def _verify_options(parser: ArgumentParser) -> None:
    parser.add_argument("id", help="of a submission, or its folder: attestation and ledger go beside that folder")
    parser.add_argument(
        "--rescore", type=bool, nargs="?", const=True, default=False, help="score the weights again, every cell"
    )
    parser.add_argument("--rerun", type=int | None, help="train so many cells again, drawn by a hash, with fresh seeds")
    parser.add_argument("--after", type=str | None, help="the public value that draws them, fixed after the submission")
    parser.add_argument("--model", type=str | None, help="path/to/file.py:Class, of a model from outside the suite")
    parser.add_argument(
        "--weights",
        type=str | None,
        help="a folder with ID-OF-A-RECORD/weights….safetensors in it (default: OUTPUT/SUITE/cells)",
    )
    parser.add_argument("--by", type=str | None, help="who does it (default: git's user.name)")
    parser.add_argument("--output", default="runs", help="reruns go to OUTPUT/verify/ID")
    parser.add_argument("--workers", type=int | None, help="processes, one core each (default: one a core)")


def _trained(command: str) -> Callable[..., int]:
    """Those that train or score; torch is imported when they are called."""

    def call(**options: object) -> int:
        from benchmark.board import official, verify

        function = {"verify": verify.verify, "withdraw": verify.withdraw, "freeze": official.freeze}[command]
        return function(**options)  # pyright: ignore

    return call


def validate(path: str) -> int:
    """Print every finding of a submission, or of all; 1 where there is one. Raises UsageError where none is."""
    place = Path(path)
    board = (place / "submissions").is_dir()
    if board:
        folders = [each for each in sorted((place / "submissions").iterdir()) if each.is_dir() or each.is_symlink()]
    elif place.is_symlink() or (place / MAIN).is_symlink() or (place / MAIN).exists():
        folders = [place]
    else:
        raise UsageError(f"{place}: no {MAIN} in it, and no submissions/")
    console, found = Console(highlight=False, soft_wrap=True), {}
    for folder in folders:
        begin = time.monotonic()
        found[folder] = checked(folder)
        for finding in found[folder].findings:
            file = f"{folder.name}/{finding.file}" if board else finding.file
            console.print(replace(finding, file=file).line(), markup=False, emoji=False)
        if not found[folder].findings:
            said = f"{sum(map(len, found[folder].records.values()))} records, {time.monotonic() - begin:.1f} s"
            console.print(f"{folder.resolve().name}: valid, {said}", markup=False)
    if any(each.findings for each in found.values()):
        return 1
    if board:
        try:
            gathered(found, place / "ledger.jsonl")
        except ValueError as error:
            raise UsageError(str(error)) from None
        console.print(f"{len(folders)} submissions and the ledger are valid")
    return 0


def entrants(board: Path) -> list[Entrant]:
    """The submissions of a board's folder. Raises UsageError where one of them, or the ledger, is not valid."""
    if not (board / "submissions").is_dir():
        raise UsageError(f"{board}: no submissions/ in it")
    try:
        return read_entrants(board / "submissions")
    except ValueError as error:
        raise UsageError(str(error)) from None


def rank(board: str, json: bool) -> int:
    """Print every board."""
    found = entrants(Path(board))
    from leaderboard.ranking.standings import standings

    standing = standings(found)
    if json:
        print(_dumped(standing))
        return 0
    console = Console(highlight=False)
    wide = console if console.is_terminal else Console(width=160, highlight=False)
    for suite in standing["suites"]:
        for each in suite["boards"]:
            wide.print(_table(f"{each['title']} ({suite['title']})", each["rows"]))
    return 0


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """A board: the rank interval, the score, and why a row has no rank."""
    table = Table("rank", "model", "score", "tier", "date", "", title=Text(title), box=None, pad_edge=False)
    for row in rows:
        said = row["why"] or ("leads" if row is rows[0] else "tied with the leader" * row["tied"])
        table.add_row(*(Text(row["text"][key]) for key in ("rank", "name", "score", "tier", "date")), Text(said))
    return table


def _dumped(standing: object) -> str:
    return json.dumps(standing, indent=1, sort_keys=True, ensure_ascii=False)


def render(board: str, output: str) -> int:
    """Write the site and say where."""
    found = entrants(Path(board))
    check_output(Path(output).resolve().parent)
    from leaderboard.site.render import render_site

    try:
        written = render_site(found, Path(output), Path(board) / "attestations")
    except ValueError as error:
        raise UsageError(str(error)) from None
    Console(highlight=False, soft_wrap=True).print(
        f"written to {output}: {len(written)} files; open {output}/index.html"
    )
    return 0


def serve(board: str, output: str, port: int) -> int:
    """Render, then serve until interrupted."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    handler = partial(SimpleHTTPRequestHandler, directory=output)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise UsageError(f"--port {port}: {error.strerror}") from None
    except OverflowError:
        raise UsageError(f"--port must be 0 to 65535, got {port}") from None
    with server:
        render(board, output)
        print(f"http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0
