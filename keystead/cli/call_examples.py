"""An example of a call for every operation: its required parameters, with values of the right kind.

A required parameter of a new name needs a sample here; the test of all examples says so.
"""

from typing import TYPE_CHECKING

from keystead.errors import KmsError

if TYPE_CHECKING:
    from keystead.api.catalogue import Field, Operation

_KEY_ID = "2b4f6c1e-8d3a-4c57-9e02-7f1a5b6c3d48"
_VERSION_ID = "c7d9e1f3-5a2b-4f86-b1c4-0e8d6a7f9b35"
_WIDTH = 72  # what a man page shows in 80 columns

# By a parameter's name; the first that its type accepts is taken, else its first choice. A parameter in parts has `.1`.
_SAMPLES = {
    "Algorithm": ("HMAC_SHA_256",),
    "AuthenticationCode1": ("123456",),
    "AuthenticationCode2": ("654321",),
    "AliasName": ("alias/demo",),
    "Description": ("'signs the invoices'",),
    "DestinationKeyId": ("alias/demo",),
    "EnableAutomaticRotation": ("true",),
    "EnableDeletionProtection": ("true",),
    "GroupName": ("auditors",),
    "KeyId": ("alias/demo", _KEY_ID),
    "KeyVersionId": (_VERSION_ID,),
    "NewPassword": ("file:new.txt",),
    "OldPassword": ("file:old.txt",),
    "Password": ("file:password.txt",),
    "NewDescription": ("'encrypts, and nothing else'",),
    "PendingWindowInDays": ("7",),
    "Plaintext": ("file:secret.txt",),
    "Policy": ("file:policy.json",),
    "PolicyDocument": ("file:encrypt-only.json",),
    "PolicyName": ("encrypt-only",),
    "PolicyType": ("Custom",),
    "RegionId": ("cn-hangzhou",),
    "ResourceType": ("key",),
    "SerialNumber": ("acs:ram::1000000000000001:mfa/deploy",),
    "Status": ("Inactive",),
    "TagKeys": ("'[\"team\"]'",),
    "Tags": ("""'[{"TagKey": "team", "TagValue": "blue"}]'""",),
    "UserAccessKeyId": ("LTAIEXAMPLE",),
    "UserName": ("deploy",),
    "VersionId": ("v1",),
    "VirtualMFADeviceName": ("deploy",),
    "WrappingAlgorithm": ("RSAES_OAEP_SHA_256",),
}
_PARTS = {
    "ResourceId": f"--ResourceId.1 {_KEY_ID}",
    "Tag": "--Tag.1.Key team --Tag.1.Value blue",
    "TagKey": "--TagKey.1 team",
}
# Where what is required depends on another parameter, which no declaration tells.
_MORE = {"UpdateRotationPolicy": "--RotationInterval 365d", "UntagResources": _PARTS["TagKey"]}


def example(operation: "Operation") -> str:
    """A command that calls the operation, on as many lines as a terminal of 80 columns needs."""
    words = [f"keystead {operation.product.name.lower()} {operation.action}"]
    words += [_given(field) for field in operation.fields if field.required or _is_key(operation, field)]
    if more := _MORE.get(operation.action):
        words.append(more)
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > _WIDTH:
            lines[-1] += " \\"
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _is_key(operation: "Operation", field: "Field") -> bool:
    """Whether it names the key that the call is about, also where that may be named by another parameter instead."""
    return operation.gate is not None and field.name == "KeyId"


def _given(field: "Field") -> str:
    if field.name in _PARTS and field.param.kind == "Array":
        return _PARTS[field.name]
    return f"--{field.name} {_sample(field)}"


def _sample(field: "Field") -> str:
    if field.param.binary:
        return f"file:{field.name.removesuffix('Blob').lower()}.b64"
    for sample in _SAMPLES.get(field.name, ()):
        if sample.startswith("file:"):
            return sample
        try:
            field.param.parse(field.name, sample.strip("'"))
        except KmsError:
            continue
        return sample
    return field.param.choices[0] if field.param.choices else "VALUE"
