"""`spanbench leaderboard …` as a user calls it."""

import json
import shutil
import subprocess
import sys
import threading
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmark.board import command
from benchmark.cli import call
from leaderboard import suite as suites
from leaderboard.ranking.ledger import append, submission_digest
from leaderboard.validation.validate import validate
from tests.benchmark.cells import TOP
from tests.leaderboard.boards import edited, tiny_suite, write_board


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board of three rows in a suite of its own."""
    suite = tiny_suite(("byte", "bpe-512"))
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "tiny-1.json").write_text(suite.model_dump_json())
    monkeypatch.setattr(suites, "SUITES", tmp_path / "suites")
    write_board(tmp_path / "board", suite, [("Gru", 60.0, 2.9), ("Lstm", 40.0, 3.0), ("Rnn", 17.0, 3.4)])
    return tmp_path / "board"


def row(board: Path, name: str) -> Path:
    return next(path for path in (board / "submissions").iterdir() if path.name.startswith(name))


def test_valid_submissions_are_said_to_be(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["leaderboard", "validate", str(row(board, "gru"))]) == 0
    assert "valid, 15 records" in capsys.readouterr().out
    assert call(["leaderboard", "validate", str(board)]) == 0
    assert "3 submissions and the ledger are valid" in capsys.readouterr().out


def test_a_finding_is_a_line_and_the_exit_code_says_so(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(row(board, "gru") / "submission.json", lambda data: data["claims"][0].update(score=0.99))
    assert call(["leaderboard", "validate", str(row(board, "gru"))]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("submission.json: claims.0: expected what the sums of retain-delayed_recall give")
    assert call(["leaderboard", "validate", str(board)]) == 1
    assert f"{row(board, 'gru').name}/submission.json: claims.0" in capsys.readouterr().out
    assert call(["leaderboard", "rank", "--board", str(board)]) == 2
    assert "claims.0" in capsys.readouterr().err


def test_a_board_is_validated_once_and_its_ledger_whatever_its_size(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("lstm", "rnn"):
        shutil.rmtree(row(board, name))
    (board / "ledger.jsonl").write_text("{}\n")
    seen = []
    monkeypatch.setattr(command, "checked", lambda folder: seen.append(folder) or validate(folder))
    assert call(["leaderboard", "validate", str(board)]) == 2
    assert "ledger.jsonl: line 1: not an entry" in capsys.readouterr().err
    assert seen == [row(board, "gru")]


@pytest.mark.parametrize("note", ["a\nb", "\x1b[31m", "\u202e", "x" * 501])
def test_nothing_is_written_that_the_ledger_could_not_hold(
    board: Path, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["leaderboard", "withdraw", str(row(board, "gru")), "--note", note, "--by", "us"]) == 2
    assert "which the ledger could not hold" in capsys.readouterr().err
    assert not (board / "ledger.jsonl").exists()
    assert call(["leaderboard", "withdraw", str(row(board, "gru")), "--note", "asked to", "--by", "us"]) == 0
    assert call(["leaderboard", "validate", str(board)]) == 0
    (board / "ledger.jsonl").write_text("{}\n")
    assert call(["leaderboard", "withdraw", str(row(board, "gru")), "--note", "again", "--by", "us"]) == 2


def test_a_ledger_that_was_altered_is_found(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gru, ledger = row(board, "gru"), board / "ledger.jsonl"
    append(gru.name, submission_digest(gru), "rescored", "us", "", path=ledger)
    append(gru.name, submission_digest(gru), "rerun", "us", "", path=ledger)
    assert call(["leaderboard", "validate", str(board)]) == 0
    ledger.write_text(ledger.read_text().replace("rescored", "disputed"))
    assert call(["leaderboard", "validate", str(board)]) == 2
    assert "the ledger was altered" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["validate", "nowhere"], "no submission.json in it"),
        (["validate"], "PATH is needed"),
        (["validate", "a", "b"], "b"),
        (["valdate", "x"], "did you mean validate"),
        (["rank", "--board", "nowhere"], "no submissions/ in it"),
        (["verify", "gru-1"], "choose one of --rescore and --rerun"),
        (["verify", "gru-1", "--rescore", "--rerun", "2"], "choose one of"),
        (["verify", "gru-1", "--rerun", "2"], "--rerun needs --after"),
        (["verify", "gru-1", "--rescore", "--after", "x"], "--after belongs to --rerun"),
        (["verify", "nobody-1", "--rescore"], "unknown submission"),
        (["withdraw", "nobody-1", "--note", "x"], "unknown submission"),
        (["freeze", "small", "--records", "nowhere"], "no records/"),
        (["serve", "--port", "99999999"], "--port"),
    ],
)
def test_bad_usage_is_one_line(board: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    extra = ["--board", str(board), "--output", str(board / "site")] if words[0] == "serve" else []
    assert call(["leaderboard", *words, *extra]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert len(line.splitlines()) == 1


def test_ranks_are_printed_and_given_as_json(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["leaderboard", "rank", "--board", str(board)]) == 0
    said = capsys.readouterr().out
    assert said.index("Memory") < said.index("Recall in text") < said.index("Text")
    assert said.index("Gru") < said.index("Lstm") < said.index("Rnn")
    assert call(["leaderboard", "rank", "--board", str(board), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert json.dumps(found).count('"Gru"') >= 3


def test_the_site_is_rendered_and_served(board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(["leaderboard", "render", "--board", str(board), "--output", str(tmp_path / "site")]) == 0
    assert (tmp_path / "site" / "index.html").exists()
    seen = {}

    def forever(server: ThreadingHTTPServer) -> None:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/index.html") as answer:
            seen["page"] = answer.read()
        thread.join()

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", forever)
    words = ["--board", str(board), "--output", str(tmp_path / "site"), "--port", "0"]
    assert call(["leaderboard", "serve", *words]) == 0
    assert seen["page"] == (tmp_path / "site" / "index.html").read_bytes()


def test_validation_does_without_torch(board: Path) -> None:
    """On a machine that has none."""
    code = (
        "import sys; from leaderboard import suite; from pathlib import Path; suite.SUITES = Path(sys.argv[1]); "
        "from benchmark.cli import call; code = call(['leaderboard', 'validate', sys.argv[2]]); "
        "assert not {'torch', 'lightning', 'jinja2'} & set(sys.modules); sys.exit(code)"
    )
    places = [str(board.parent / "suites"), str(board)]
    done = subprocess.run([sys.executable, "-c", code, *places], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["leaderboard", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in command.COMMANDS)
    for name in command.COMMANDS:
        assert call(["leaderboard", name, "--help"]) == 0
