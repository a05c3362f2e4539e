"""The options of each command that cli.py makes a parser for."""

from jsonargparse import ArgumentParser

from benchmark.listing import MODEL_COLUMNS
from benchmark.parsing import add_manner, add_wandb
from leaderboard.suite import DEFAULT


def table(parser: ArgumentParser) -> None:
    """`spanbench table`."""
    parser.add_argument("name", nargs="?", default="quick", help="a name or a path to a YAML (default: quick)")
    parser.add_argument(
        "--model", type=str | None, help="names, comma-separated, for a table without models of its own"
    )
    parser.add_argument("--output", default="runs", help="records, plots and tables go to OUTPUT/NAME")
    dry = "run nothing, write nothing: say what is done, what is left and what that costs"
    parser.add_argument("--dry-run", type=bool, nargs="?", const=True, default=False, help=dry)
    add_manner(parser)
    add_wandb(parser)


def cost(parser: ArgumentParser) -> None:
    """`spanbench cost`."""
    parser.add_argument("--model", required=True, help="names, comma-separated")
    lengths = "positions, comma-separated (default: 256 to 8192 by octaves; 1024 where another axis has several values)"
    parser.add_argument("--length", type=str | None, help=lengths)
    parser.add_argument("--dim", default="64", help="widths, comma-separated")
    parser.add_argument("--state", type=str | None, help="state sizes, comma-separated, for models that have a state")
    parser.add_argument("--batch", type=int, default=4, help="sequences in a training step")
    parser.add_argument("--rounds", type=int, default=5, help="whole sweeps; medians and intervals are over them")
    parser.add_argument("--device", type=str | None, help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--output", default="runs", help="table, plot and figures go to OUTPUT/cost")


def profile(parser: ArgumentParser) -> None:
    """`spanbench profile`."""
    curves = "recall, loss and gain by context, influence, gradient and gates over one lag axis"
    parser.description = f"{parser.description}: {curves}."
    parser.add_argument("run", help="a record (ID.json), a run's folder (cells/ID) or a folder with records/ in it")
    for what in ("model", "tokenizer", "corpus"):
        parser.add_argument(f"--{what}", type=str | None, help="which one, where the records have several")
    parser.add_argument("--output", type=str | None, help="default: profiles/MODEL[@TOKENIZER] beside the records")


def calibrate(parser: ArgumentParser) -> None:
    """`spanbench calibrate`."""
    parser.add_argument("--output", default="runs", help="checks, page and figures go to OUTPUT/calibration")
    parser.add_argument("--reduced", type=bool, nargs="?", const=True, default=False, help="fewer checks, on one core")
    parser.add_argument(
        "--only", type=str | None, help="measures, comma-separated, to OUTPUT/calibration-part (default: all)"
    )


def new(parser: ArgumentParser) -> None:
    """`spanbench new`."""
    parser.add_argument("name", help="the model's, as in my_model; the class becomes MyModel")
    parser.add_argument("--output", type=str | None, help="a folder of yours (default: the checkout's models/)")
    parser.add_argument("--family", default="recurrence", help="as listings and the leaderboard show it")


def submit(parser: ArgumentParser) -> None:
    """`spanbench submit`."""
    parser.add_argument("model", help="a name, a path to a YAML, or path/to/file.py:Class")
    parser.add_argument("--name", required=True, help="what its row is called")
    parser.add_argument("--contact", required=True, help="an e-mail address or @handle, shown on the page")
    parser.add_argument("--link", type=str | None, help="an https:// address of a paper or of code")
    parser.add_argument("--family", type=str | None, help="as recurrence or attention (default: what its YAML says)")
    parser.add_argument("--suite", default=DEFAULT, help="whose official cells are run")
    parser.add_argument("--output", default="runs", help="records and weights go to OUTPUT/SUITE")
    parser.add_argument(
        "--submissions", type=str | None, help="where ID/ is written (default: leaderboard/submissions)"
    )
    add_manner(parser)
    add_wandb(parser)


def reproduce(parser: ArgumentParser) -> None:
    """`spanbench reproduce`."""
    parser.add_argument("row", metavar="ID[:CELL]", help="a submission, or one cell of it")
    parser.add_argument("--model", type=str | None, help="path/to/file.py:Class, of a model from outside the suite")
    parser.add_argument("--output", default="runs", help="records go to OUTPUT/reproduce/ID")
    add_manner(parser)


def report(parser: ArgumentParser) -> None:
    """`spanbench report`."""
    parser.add_argument("folder", help="a folder with records/ in it, such as runs/quick")


def sweep(parser: ArgumentParser) -> None:
    """`spanbench sweep`."""
    parser.add_argument("name", metavar="TABLE", help="a name or a path to a YAML")
    parser.add_argument("--lr", type=str | None, help="learning rates, comma-separated: a grid over them too")
    parser.add_argument(
        "--model", type=str | None, help="names, comma-separated, for a table without models of its own"
    )
    parser.add_argument("--output", default="runs", help="a configuration a row goes to OUTPUT/TABLE")


def listed(parser: ArgumentParser) -> None:
    """`spanbench tasks`, and the like."""
    parser.add_argument("name", nargs="?", help="one of them")


def tokenizers(parser: ArgumentParser) -> None:
    """`spanbench tokenizers`."""
    listed(parser)
    parser.add_argument("--corpus", type=str | None, help="the text to look at one on (default: sympy)")


def models(parser: ArgumentParser) -> None:
    """`spanbench models`."""
    listed(parser)
    parser.description = f"{parser.description}. {MODEL_COLUMNS}"
    parser.add_argument("--n-params", default="100k", help="the budget that sets each width")
    parser.add_argument("--length", type=int, default=1024, help="of the inputs, in positions")


OPTIONS = {
    "table": table,
    "cost": cost,
    "profile": profile,
    "calibrate": calibrate,
    "new": new,
    "submit": submit,
    "reproduce": reproduce,
    "report": report,
    "sweep": sweep,
    "models": models,
    "tasks": listed,
    "tokenizers": tokenizers,
    "corpora": listed,
    "tables": listed,
}
