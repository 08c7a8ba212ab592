"""`unrolled completion SHELL`: a script by which a shell completes commands, tasks, options and their words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..terminal import say
from .completion_table import Context, contexts
from .options import Positional, parse

USE = """usage: unrolled completion bash | zsh | fish

A script by which the shell completes commands, tasks, options and their words. For this session, and for all
to come:

  bash  eval "$(unrolled completion bash)"      the same line in ~/.bashrc
  zsh   eval "$(unrolled completion zsh)"       the same line in ~/.zshrc, after compinit
  fish  unrolled completion fish | source       unrolled completion fish >
                                                    ~/.config/fish/completions/unrolled.fish"""

BASH = """_unrolled() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local options="" words="" known="" place
    if [[ $word == = ]]; then word=""; elif [[ $before == = ]]; then before="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=( $(compgen -W "{commands}" -- "$word") )
        return
    fi
    place="${{COMP_WORDS[1]}}"
    (( COMP_CWORD > 2 )) && place="$place ${{COMP_WORDS[2]}}"
    case "$place" in
{places}
    esac
    case "$place $before" in
{values}
    esac
    if [[ -n $known ]]; then
        words="$known"
    elif [[ $word == -* ]]; then
        words="$options"
    elif [[ " $options " == *" $before "* && " {flags} " != *" $before "* ]]; then
        return
    fi
    COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o default -o bashdefault -F _unrolled unrolled"""

ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def command(name: str, arguments: list[str]) -> int | None:
    if not arguments or arguments[0] in ("-h", "--help"):
        say(USE)
        return 0 if arguments else 2
    return parse(completion, f"unrolled {name}", arguments)


def completion(shell: Positional[Literal["bash", "zsh", "fish"]]) -> None:
    """Print a script by which a shell completes commands, tasks, options and their words.

    Args:
        shell: whose script
    """
    from ..cli import COMMANDS

    found = contexts(COMMANDS)
    if shell == "fish":
        say(fish([*COMMANDS], found))
    else:
        say((ZSH if shell == "zsh" else "") + bash([*COMMANDS], found))


def bash(commands: list[str], contexts: Iterable[Context]) -> str:
    """A function for bash, and for zsh's bashcompinit; longer places come first."""
    contexts = sorted(contexts, key=lambda each: -len(each.after))
    places = []
    for context in contexts:
        options = " ".join(option.name for option in context.options)
        places.append(f'{_pattern(context)}) options="{options}" words="{" ".join(context.words)}" ;;')
    flags = {option.name for context in contexts for option in context.options if not option.takes}
    return BASH.format(
        commands=" ".join(commands),
        places="\n".join(f"        {each}" for each in places),
        values="\n".join(f"        {each}" for each in _values(contexts)),
        flags=" ".join(sorted(flags)),
    )


def _pattern(context: Context, behind: str = "") -> str:
    place = " ".join(context.after)
    alone = f'"{place}{behind}"'
    return alone if len(context.after) > 1 else f'{alone}|"{place} "*"{behind}"'


def _values(contexts: list[Context]) -> list[str]:
    """The words that options take; where they are not the same everywhere, command by command."""
    meanings: dict[str, dict[Context, tuple[str, ...]]] = {}
    for context in contexts:
        for option in context.options:
            if option.words:
                meanings.setdefault(option.name, {})[context] = option.words
    cases = []
    for name, found in sorted(meanings.items()):
        if len(set(found.values())) == 1:
            cases.append(f'*" {name}") known="{" ".join(next(iter(found.values())))}" ;;')
        else:
            cases += [f'{_pattern(c, f" {name}")}) known="{" ".join(words)}" ;;' for c, words in found.items()]
    return cases


def fish(commands: list[str], contexts: Iterable[Context]) -> str:
    lines = [f'complete -c unrolled -f -n __fish_use_subcommand -a "{" ".join(commands)}"']
    for context in contexts:
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in context.after)
        for option in context.options:
            takes = f' -r -a "{" ".join(option.words)}"' if option.words else " -r" * option.takes
            lines.append(f'complete -c unrolled -n "{seen}" -l {option.name[2:]}{takes}')
        if context.words:
            lines.append(f'complete -c unrolled -n "{seen}" -a "{" ".join(context.words)}"')
    return "\n".join(lines)
