"""Shells complete commands, tasks, options and their words from a script that the
commands' own signatures make.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from unrolled import tasks
from unrolled.cells import REGISTRY
from unrolled.cli import COMMANDS, main
from unrolled.commands.completion_table import contexts


def script(shell: str, capsys) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.fixture
def completed(capsys, tmp_path):
    """What bash offers for a line that ends where the cursor is."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    file = tmp_path / "unrolled.bash"
    file.write_text(script("bash", capsys))

    def offered(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in ("unrolled", *words))
        lines = (
            f"source {file}; COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _unrolled; printf '%s\\n'"
            ' "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return offered


def test_bash_completes_commands_tasks_options_and_their_words(completed):
    assert completed("ev") == ["evaluate"]
    assert set(completed("")) == set(COMMANDS)
    assert completed("train", "char") == ["char-lm"]
    assert set(completed("train", "")) == set(tasks.names())
    assert completed("train", "char-lm", "--hid") == ["--hidden"]
    assert completed("train", "char-lm", "--text", "a.txt", "--pat") == ["--patience"]
    assert completed("train", "--res") == ["--resume"] and completed("train", "char-lm", "--res") == []
    assert "--rate" in completed("train", "--from", "runs/a", "--ra")
    assert completed("train", "char-lm", "--cell", "peephole_l") == [
        n for n in REGISTRY if n.startswith("peephole_l")
    ]
    assert completed("train", "char-lm", "--precision", "=", "b") == ["bf16"]
    assert completed("train", "char-lm", "--precision", "=") == ["auto", "float32", "bf16"]
    assert completed("predict", "runs/a", "--temp") == ["--temperature"]
    assert completed("show", "mg") == [n for n in REGISTRY if n.startswith("mg")]
    assert completed("completion", "z") == ["zsh"]


def test_an_option_of_one_name_has_each_commands_own_words(completed):
    assert completed("export", "runs/a", "--weights", "") == ["float", "int8"]
    assert completed("sample", "runs/a", "--weights", "") == ["float32", "bf16"]


def test_what_is_a_file_or_a_number_is_left_to_the_shell(completed):
    assert completed("train", "char-lm", "--text", "") == []
    assert completed("evaluate", "") == []


def test_every_command_and_every_task_has_its_options(capsys):
    found = {context.after: context for context in contexts(COMMANDS)}
    assert {after[0] for after in found} == set(COMMANDS)
    for task in tasks.names():
        names = {option.name for option in found["train", task].options}
        assert {"--hidden", "--rate", "--minutes", "--from", "--out"} <= names
    helped = {"train": ("train", "char-lm"), "predict": ("predict", "char-lm")}
    for name in COMMANDS:
        place = helped.get(name, (name,))
        with pytest.raises(SystemExit):
            main(
                [
                    *place,
                    *(["bash"] if name == "completion" else []),
                    *(["char-lm"] if name == "sample" else []),
                    "--help",
                ]
            )
        said = set(re.findall(r"^\W{1,4}(?:h, )?(--[a-z][a-z-]*)", capsys.readouterr().out, re.MULTILINE))
        options = {option.name for option in found.get(place, found.get(place[:1])).options}
        assert "--help" in said and said <= options, name


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_script(shell, capsys, tmp_path):
    file = tmp_path / "script"
    file.write_text(script(shell, capsys))
    assert "train" in file.read_text() and "char-lm" in file.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_offers_what_bash_offers(capsys, tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("there is no fish")
    file = tmp_path / "unrolled.fish"
    file.write_text(script("fish", capsys))
    for line, expected in (("unrolled ev", "evaluate"), ("unrolled train char-lm --hid", "--hidden")):
        asked = f"source {file}; complete -C '{line}'"
        done = subprocess.run(["fish", "-c", asked], capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == [expected]


def test_another_shell_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as end:
        main(["completion", "tcsh"])
    assert end.value.code == 2
