"""Completions for bash, zsh and fish, by shtab (https://docs.iterative.ai/shtab/)."""

import argparse
import re

import shtab

from keystead.cli.output import Parser
from share.command_tree import commands

# Under `share/`, where each shell looks for what is installed.
PLACES = {
    "bash": "bash-completion/completions/keystead",
    "zsh": "zsh/site-functions/_keystead",
    "fish": "fish/vendor_completions.d/keystead.fish",
}
_FOLDERS = {"DIR", "FOLDER"}
_PATHS = {"FILE", "IN", "OUT", "PLACE", "CIPHER"}

# What follows `--` is another program's command line.
_COMMAND = {
    "bash": "_keystead_command",
    "zsh": "_keystead_command",
    "fish": "(_keystead_command)",
    "preamble": {
        "bash": """\
_keystead_command() {
  local at
  for ((at = 1; at < COMP_CWORD; at++)); do
    if [[ ${COMP_WORDS[at]} == -- ]]; then break; fi
  done
  if ((at == COMP_CWORD)); then return; fi
  if ((at + 1 == COMP_CWORD)); then
    compgen -c -- "$1"
  elif declare -F _command_offset >/dev/null; then
    _command_offset $((at + 1))
    printf '%s\\n' "${COMPREPLY[@]}"
  else
    compgen -f -- "$1"
  fi
}
""",
        "zsh": """\
_keystead_command() {
  local at=${words[(i)--]}
  (( at < CURRENT )) || return 1
  shift at words
  (( CURRENT -= at ))
  _normal
}
""",
        "fish": """\
function _keystead_command
  set -l words (commandline -opc)
  if set -l at (contains -i -- -- $words)
    set -l inner $words[(math $at + 1)..-1] (commandline -ct)
    complete -C (string join ' ' -- (string escape -- $inner[1..-2]) $inner[-1])
  end
end
""",
    },
}


def script(parser: Parser, shell: str) -> str:
    """The completions of a command line for bash, zsh or fish."""
    _prepare(parser)
    made = shtab.complete(parser, shell)
    return _named(made) if shell == "bash" else made


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Tell shtab what the metavars mean, and one line for each command and option."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        if action.nargs == argparse.REMAINDER:
            action.complete = _COMMAND  # type: ignore[attr-defined]
            action.help, action.metavar = "a command", "CMD"
        elif not action.choices and (kind := _kind(action)):
            action.complete = kind  # type: ignore[attr-defined]
        if re.search(r"[^\w=]", metavar) and action.option_strings:
            action.metavar = re.sub(r"\W+", " ", metavar).strip()  # in zsh a colon or a bracket would end it
    for _, summary, command in commands(parser):
        command.description = summary
        _prepare(command)


def _kind(action: argparse.Action) -> object:
    """Whether its value is a file or a directory."""
    name = str(action.metavar or "")
    if name in _FOLDERS or action.dest == "data":
        return shtab.DIRECTORY
    if name in _PATHS or action.dest in ("config", "tls_cert", "tls_key", "seed", "log_file"):
        return shtab.FILE
    return None


def _named(script: str) -> str:
    """shtab's own functions for bash, which have names that another program's completions may have for others."""
    for name in (
        "_set_parser_defaults",
        "_set_new_action",
        "_shtab_replace_nonword",
        "_shtab_compgen_files",
        "_shtab_compgen_dirs",
    ):
        script = script.replace(name, f"_keystead_{name.strip('_')}")
    return script
