"""What `spanbench tasks NAME` shows."""

import pytest

from benchmark.cli import call
from benchmark.registry import names
from benchmark.taskview import picture
from tasks.delayed_recall import DelayedRecall


@pytest.mark.parametrize("name", names("tasks"))
def test_every_task_is_shown_with_its_sizes_and_three_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["tasks", name]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{name}  tasks.")
    assert ">>>" not in shown
    for word in ("inputs ", "answers ", "baseline ", *(["context "] if name == "language" else ["lag ", "chance "])):
        assert f"\n{word}" in shown
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("example ")] == ["1,", "2,", "3,"]


@pytest.mark.parametrize("width", [30, 50, 200])
def test_long_examples_wrap_and_lose_nothing(width: int) -> None:
    task = DelayedRecall()
    lines = picture(task, 40, 0, width)
    assert all(len(line.plain) <= width for line in lines)
    inputs = " ".join(line.plain.removeprefix("input") for line in lines if line.plain.startswith("input")).split()
    assert inputs == task.written(task.examples(0, "train", 40, 0, 1).inputs[0])


def test_the_source_and_the_question_have_colours_of_their_own() -> None:
    (inputs, *_) = picture(DelayedRecall(), 6, 0, 80)
    coloured = {str(span.style): inputs.plain[span.start : span.end] for span in inputs.spans if span.style}
    target = DelayedRecall().examples(0, "train", 6, 0, 1).targets
    assert coloured == {"bold yellow": DelayedRecall().answered(target[0])[0], "bold green": "?"}
