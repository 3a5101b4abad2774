"""`keystead file`: encrypt, decrypt, inspect, edit and re-encrypt files."""

from keystead.cli.commands.file.command_line import add_parser as add_parser
