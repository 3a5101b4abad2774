"""Key policies: who may do what with a key, as documents. `keystead.access` reads them.

{"Version": "1", "Statement": [{"Sid": …, "Effect": "Allow", "Action": […], "Principal": {"RAM": […]}, "Resource": ["*"]}]}
"""

import json

NAME = "default"  # a key has one policy, of this name


def of_everybody(account: str) -> str:
    """The policy of a key that was given none: whoever the account lets."""
    statement = {
        "Sid": "kms default key policy",
        "Effect": "Allow",
        "Action": ["kms:*"],
        "Principal": {"RAM": [f"acs:ram::{account}:*"]},
        "Resource": ["*"],
    }
    return json.dumps({"Version": "1", "Statement": [statement]})
