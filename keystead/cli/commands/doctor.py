"""`keystead doctor`: check what commands and clients depend on, and say what to do about what is wrong."""

import argparse

from keystead.cli import answers, output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="find what is wrong, and say what to do",
        description="Check the server that commands are about and the way there: TLS, AccessKey, clock, files, disk, "
        "and what in the environment leads elsewhere. Each line is ok, warning or problem, with what to do. The exit "
        "status is 0 without a problem, else 1. No secret is shown, nothing is changed, and one signed call is made, "
        "GetCallerIdentity.",
        examples=(
            "keystead doctor",
            "keystead doctor --endpoint https://kms.example.com --ca ca.pem",
            "keystead doctor --output json",
        ),
    )
    target.add_options(parser)
    answers.add_output(parser)
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print what was found; the status says whether a problem was."""
    from keystead.cli.diagnosis import scene as scenes
    from keystead.cli.diagnosis.checks import examine
    from keystead.cli.diagnosis.finding import Level

    # What is told of the environment is the same for each address.
    found = list(dict.fromkeys(one for scene in scenes.of(args) for one in examine(scene)))
    if args.output == "table":
        for one in found:
            output.finding(one.level, one.subject, one.text, one.remedy)
    else:
        members = [
            {"Level": one.level, "Subject": one.subject, "Text": one.text, "Remedy": one.remedy}
            for one in found
        ]
        answers.show({"Findings": members} if args.output == "json" else members, args.output)
    output.flush()
    problems = sum(one.level is Level.PROBLEM for one in found)
    if not problems:
        return output.DONE
    return output.error(f"{problems} problem{'s' if problems > 1 else ''} found")
