"""`keystead file`: encrypt, decrypt, inspect, edit, re-encrypt and check files."""

from keystead.cli.commands.file.command_line import add_parser as add_parser
