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


def guests(policy: str, owner: str) -> frozenset[str]:
    """The accounts that a well-formed policy of a key names beside its owner's; "*" stands for those that it names by a
    pattern. Of no policy ("") there are none."""
    statements = json.loads(policy)["Statement"] if policy else []
    principals = [statement["Principal"]["RAM"] for statement in statements]
    texts = [text for one in principals for text in ([one] if isinstance(one, str) else one)]
    accounts = {text.split(":")[3] for text in texts} - {owner}  # acs:ram::ACCOUNT:root
    return frozenset("*" if set(one) & set("*?") else one for one in accounts)
