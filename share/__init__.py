"""What the wheel installs under `share/`: completions for shells and man pages, made from the command line's parsers.

    python -m share FOLDER

makes all of it in a folder. Nothing here is needed at run time, and nothing of it is installed.
"""
