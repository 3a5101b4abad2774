"""The life of a RAM user, its group, policies and AccessKeys by one of the vendor's SDKs for Python: classic or current.

It ends with an error at the first answer that is not the expected one, and prints {"version": …} of the SDK.
"""

import base64
import hashlib
import hmac
import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

Pair = tuple[str, str]
ROOT = (os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"])
ENDPOINT = os.environ.get("KMS_ENDPOINT", "")  # where there is no `run`
CA = "ca"  # as the member of Config
REGION = "cn-hangzhou"


class Refused(Exception):
    """What the server said."""

    def __init__(self, status: int, code: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.detail = detail


def classic(pair: Pair, package: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """By aliyun-python-sdk-ram and aliyun-python-sdk-kms."""
    from aliyunsdkcore.acs_exception.exceptions import ServerException
    from aliyunsdkcore.client import AcsClient

    day = {"ram": "v20150501", "kms": "v20160120"}[package]
    module = importlib.import_module(f"aliyunsdk{package}.request.{day}.{action}Request")
    request = getattr(module, f"{action}Request")()
    for name, value in parameters.items():
        getattr(request, f"set_{name}")(value)
    options: dict[str, Any] = {}
    if ENDPOINT:
        host, _, port = ENDPOINT.partition(":")
        request.set_endpoint(host)
        options = {"port": int(port)}
    try:
        client = AcsClient(*pair, REGION, auto_retry=False, **options)
        found = json.loads(client.do_action_with_exception(request))
    except ServerException as error:
        raise Refused(error.get_http_status(), error.get_error_code()) from None
    assert isinstance(found, dict)
    return found


def current(pair: Pair, package: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """By alibabacloud_ram20150501 and alibabacloud_kms20160120."""
    from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
    from alibabacloud_tea_openapi.models import Config

    name = {"ram": "alibabacloud_ram20150501", "kms": "alibabacloud_kms20160120"}[package]
    models = importlib.import_module(f"{name}.models")
    kind = getattr(models, f"{action}Request", None)  # what takes no parameters has none
    requests = [] if kind is None else [kind(**{snake(one): value for one, value in parameters.items()})]
    config = Config(access_key_id=pair[0], access_key_secret=pair[1], region_id=REGION)
    if ENDPOINT:
        config.endpoint = ENDPOINT
        config.ca = os.environ[CA]
    client = importlib.import_module(f"{name}.client").Client(config)
    try:
        found = getattr(client, snake(action))(*requests).body.to_map()
    except AlibabaCloudException as error:
        detail = error.access_denied_detail if error.status_code == 403 else None
        raise Refused(error.status_code, error.code, detail) from None
    assert isinstance(found, dict)
    return found


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


SDKS = {
    "classic": (classic, "aliyun-python-sdk-ram"),
    "current": (current, "alibabacloud_ram20150501"),
}
call, DISTRIBUTION = SDKS[sys.argv[1]]


def ram(action: str, **parameters: Any) -> dict[str, Any]:
    return call(ROOT, "ram", action, parameters)


def kms(pair: Pair, action: str, **parameters: Any) -> dict[str, Any]:
    return call(pair, "kms", action, parameters)


def refused(status: int, code: str, does: Callable[..., object], *words: Any, **parameters: Any) -> Refused:
    try:
        does(*words, **parameters)
    except Refused as error:
        found = error
    else:
        raise AssertionError(f"{words} was not refused")
    assert (found.status, found.code) == (status, code), (words, found)
    return found


def document(effect: str, action: str) -> dict[str, str]:
    return {"Effect": effect, "Action": action, "Resource": "*"}


def policy(*statements: dict[str, str]) -> str:
    return json.dumps({"Version": "1", "Statement": list(statements)})


def denied(pair: Pair, action: str, **parameters: Any) -> Refused:
    return refused(403, "Forbidden.NoPermission", kms, pair, action, **parameters)


def story() -> None:
    key = kms(ROOT, "CreateKey")["KeyMetadata"]["KeyId"]
    text = {"KeyId": key, "Plaintext": "a secret"}

    # --- users
    made = ram("CreateUser", UserName="app", DisplayName="An app", Comments="c", Email="a@example.com")[
        "User"
    ]
    assert (made["UserName"], made["DisplayName"]) == ("app", "An app")
    refused(409, "EntityAlreadyExists.User", ram, "CreateUser", UserName="app")
    ram("CreateUser", UserName="other")
    page = ram("ListUsers", MaxItems=1)
    assert page["IsTruncated"] is True
    rest = ram("ListUsers", Marker=page["Marker"])
    names = [user["UserName"] for one in (page, rest) for user in one["Users"]["User"]]
    assert names == ["app", "other"], names
    assert rest["IsTruncated"] is False
    ram("UpdateUser", UserName="other", NewUserName="another", NewComments="")
    assert ram("GetUser", UserName="another")["User"]["UserName"] == "another"
    ram("DeleteUser", UserName="another")
    refused(404, "EntityNotExist.User", ram, "GetUser", UserName="another")

    # --- AccessKeys
    access_key = ram("CreateAccessKey", UserName="app")["AccessKey"]
    app = (access_key["AccessKeyId"], access_key["AccessKeySecret"])
    second = ram("CreateAccessKey", UserName="app")["AccessKey"]["AccessKeyId"]
    refused(409, "LimitExceeded.User.AccessKey", ram, "CreateAccessKey", UserName="app")
    listed = ram("ListAccessKeys", UserName="app")["AccessKeys"]["AccessKey"]
    assert [one["AccessKeyId"] for one in listed] == [app[0], second]
    ram("DeleteAccessKey", UserName="app", UserAccessKeyId=second)
    error = denied(app, "Encrypt", **text)
    if error.detail is not None:
        assert error.detail["AuthAction"] == "kms:Encrypt"
        assert error.detail["NoPermissionType"] == "ImplicitDeny"
    used = ram("GetAccessKeyLastUsed", UserName="app", UserAccessKeyId=app[0])["AccessKeyLastUsed"]
    assert used["LastUsedDate"].endswith("Z")
    ram("UpdateAccessKey", UserName="app", UserAccessKeyId=app[0], Status="Inactive")
    refused(403, "Forbidden.AccessKey", kms, app, "Encrypt", **text)
    ram("UpdateAccessKey", UserName="app", UserAccessKeyId=app[0], Status="Active")

    # --- a policy, and its use
    allowed = policy(document("Allow", "kms:Encrypt"), document("Allow", "kms:Decrypt"))
    ram("CreatePolicy", PolicyName="work", PolicyDocument=allowed, Description="d")
    refused(400, "MalformedPolicyDocument", ram, "CreatePolicy", PolicyName="bad", PolicyDocument="{")
    work = {"PolicyType": "Custom", "PolicyName": "work"}
    ram("AttachPolicyToUser", **work, UserName="app")
    refused(409, "EntityAlreadyExists.User.Policy", ram, "AttachPolicyToUser", **work, UserName="app")
    sealed = {"CiphertextBlob": kms(app, "Encrypt", **text)["CiphertextBlob"]}
    assert kms(app, "Decrypt", **sealed)["Plaintext"] == "a secret"
    denied(app, "DescribeKey", KeyId=key)

    # --- a new version denies
    refusing = policy(document("Allow", "kms:*"), document("Deny", "kms:Decrypt"))
    new = ram("CreatePolicyVersion", PolicyName="work", PolicyDocument=refusing, SetAsDefault=True)
    assert new["PolicyVersion"]["VersionId"] == "v2"
    assert new["PolicyVersion"]["IsDefaultVersion"] is True
    error = denied(app, "Decrypt", **sealed)
    if error.detail is not None:
        assert error.detail["NoPermissionType"] == "ExplicitDeny"
        assert error.detail["PolicyName"] == "work"
    kms(app, "DescribeKey", KeyId=key)
    ram("SetDefaultPolicyVersion", PolicyName="work", VersionId="v1")
    kms(app, "Decrypt", **sealed)
    conflict = "DeleteConflict.PolicyVersion.Default"
    refused(409, conflict, ram, "DeletePolicyVersion", PolicyName="work", VersionId="v1")
    found = ram("GetPolicy", **work)
    assert found["DefaultPolicyVersion"]["PolicyDocument"] == allowed
    assert found["Policy"]["AttachmentCount"] == 1
    assert ram("GetPolicyVersion", **work, VersionId="v2")["PolicyVersion"]["PolicyDocument"] == refusing
    assert len(ram("ListPolicyVersions", **work)["PolicyVersions"]["PolicyVersion"]) == 2
    ram("UpdatePolicyDescription", PolicyName="work", NewDescription="e")
    every = ram("ListPolicies", PolicyType="Custom", MaxItems=10)["Policies"]["Policy"]
    assert [one["Description"] for one in every] == ["e"]

    # --- a group
    ram("CreateGroup", GroupName="staff", Comments="c")
    ram("UpdateGroup", GroupName="staff", NewGroupName="crew")
    assert ram("GetGroup", GroupName="crew")["Group"]["Comments"] == "c"
    ram("AddUserToGroup", UserName="app", GroupName="crew")
    ram("AttachPolicyToGroup", **work, GroupName="crew")
    entities = ram("ListEntitiesForPolicy", **work)
    assert [one["UserName"] for one in entities["Users"]["User"]] == ["app"]
    assert [one["GroupName"] for one in entities["Groups"]["Group"]] == ["crew"]
    assert len(ram("ListPoliciesForUser", UserName="app")["Policies"]["Policy"]) == 1
    assert len(ram("ListPoliciesForGroup", GroupName="crew")["Policies"]["Policy"]) == 1
    assert len(ram("ListGroupsForUser", UserName="app")["Groups"]["Group"]) == 1
    assert len(ram("ListUsersForGroup", GroupName="crew")["Users"]["User"]) == 1
    assert len(ram("ListGroups", MaxItems=5)["Groups"]["Group"]) == 1
    ram("DetachPolicyFromUser", **work, UserName="app")
    kms(app, "Decrypt", **sealed)  # by its group

    # --- what is in use is not deleted
    refused(409, "DeleteConflict.User.AccessKey", ram, "DeleteUser", UserName="app")
    refused(409, "DeleteConflict.Group.User", ram, "DeleteGroup", GroupName="crew")
    refused(409, "DeleteConflict.Policy.Group", ram, "DeletePolicy", PolicyName="work")
    ram("DetachPolicyFromGroup", **work, GroupName="crew")
    denied(app, "Decrypt", **sealed)
    refused(409, "DeleteConflict.Policy.Version", ram, "DeletePolicy", PolicyName="work")
    ram("DeletePolicyVersion", PolicyName="work", VersionId="v2")
    ram("DeletePolicy", PolicyName="work")
    ram("RemoveUserFromGroup", UserName="app", GroupName="crew")
    ram("DeleteGroup", GroupName="crew")
    ram("DeleteAccessKey", UserName="app", UserAccessKeyId=app[0])
    refused(404, "InvalidAccessKeyId.NotFound", kms, app, "Encrypt", **text)
    ram("DeleteUser", UserName="app")
    assert ram("ListUsers")["Users"] == {"User": []}

    sign_in()

    # --- what is not offered
    refused(404, "InvalidAction.NotFound", ram, "GetSecurityPreference")


def sign_in() -> None:
    """How a user signs in: a password with its rules, and a device."""
    first, second, policy = (
        "Correct-horse-1",
        "Battery-staple-2",
        {"MinimumPasswordLength": 10, "PasswordReusePrevention": 1},
    )
    user = {"UserName": "person"}
    ram("CreateUser", **user)
    assert ram("SetPasswordPolicy", **policy)["PasswordPolicy"]["MinimumPasswordLength"] == 10
    assert ram("GetPasswordPolicy")["PasswordPolicy"]["PasswordReusePrevention"] == 1
    refused(400, "InvalidParameter.Password.TooWeak", ram, "CreateLoginProfile", **user, Password="Short-1")
    made = ram("CreateLoginProfile", **user, Password=first, PasswordResetRequired=True)["LoginProfile"]
    assert (made["UserName"], made["PasswordResetRequired"], made["MFABindRequired"]) == (
        "person",
        True,
        False,
    )
    refused(409, "EntityAlreadyExists.User.LoginProfile", ram, "CreateLoginProfile", **user, Password=first)
    ram("UpdateLoginProfile", **user, MFABindRequired=True, PasswordResetRequired=False)
    shown = ram("GetLoginProfile", **user)["LoginProfile"]
    assert (shown["PasswordResetRequired"], shown["MFABindRequired"]) == (False, True)
    made = ram("CreateAccessKey", **user)["AccessKey"]
    pair = (made["AccessKeyId"], made["AccessKeySecret"])
    ram("AttachPolicyToUser", **user, PolicyType="System", PolicyName="AdministratorAccess")

    def change(old: str, new: str) -> dict[str, Any]:
        return call(pair, "ram", "ChangePassword", {"OldPassword": old, "NewPassword": new})

    refused(400, "InvalidParameter.OldPassword.Incorrect", change, second, first)
    refused(400, "InvalidParameter.NewPassword.TooWeak", change, first, "Short-1")
    refused(400, "InvalidParameter.NewPassword.ReusePrevention", change, first, first)
    change(first, second)
    refused(400, "NotSupport.Account", ram, "ChangePassword", OldPassword=second, NewPassword=first)

    device = ram("CreateVirtualMFADevice", VirtualMFADeviceName="phone")["VirtualMFADevice"]
    serial = {"SerialNumber": device["SerialNumber"]}
    assert base64.b64decode(device["QRCodePNG"]).startswith(b"\x89PNG")
    seed = base64.b32decode(device["Base32StringSeed"])
    step = int(time.time()) // 30
    codes = {"AuthenticationCode1": code(seed, step), "AuthenticationCode2": code(seed, step + 1)}
    wrong = {"AuthenticationCode1": code(seed, step - 9), "AuthenticationCode2": code(seed, step + 1)}
    refused(403, "CheckAuthenticationCodeFail", ram, "BindMFADevice", **user, **serial, **wrong)
    refused(404, "EntityNotExist.User.MFADevice", ram, "GetUserMFAInfo", **user)
    ram("BindMFADevice", **user, **serial, **codes)
    assert ram("GetUserMFAInfo", **user)["MFADevice"] == {**serial, "Type": "VMFA"}
    (listed,) = ram("ListVirtualMFADevices")["VirtualMFADevices"]["VirtualMFADevice"]
    assert listed["User"]["UserName"] == "person"
    refused(409, "DeleteConflict.VirtualMFADevice.User", ram, "DeleteVirtualMFADevice", **serial)
    ram("DetachPolicyFromUser", **user, PolicyType="System", PolicyName="AdministratorAccess")
    ram("DeleteAccessKey", **user, UserAccessKeyId=pair[0])
    refused(409, "DeleteConflict.User.LoginProfile", ram, "DeleteUser", **user)
    ram("DeleteLoginProfile", **user)
    refused(409, "DeleteConflict.User.MFADevice", ram, "DeleteUser", **user)
    assert ram("UnbindMFADevice", **user)["MFADevice"] == serial
    ram("DeleteVirtualMFADevice", **serial)
    ram("DeleteUser", **user)


def code(seed: bytes, step: int) -> str:
    """What a phone shows, by RFC 6238."""
    digest = hmac.new(seed, step.to_bytes(8, "big"), hashlib.sha1).digest()
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


story()
print(json.dumps({"version": version(DISTRIBUTION)}))
