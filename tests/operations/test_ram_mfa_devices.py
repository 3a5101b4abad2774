"""MFA devices: made, bound by two codes, taken from a user, and deleted."""

import base64
import struct
import zlib

import msgspec
import pytest

from keystead.domain import sign_in
from keystead.domain.sign_in import MfaDevice
from keystead.errors import OperatorError
from tests.harness import Service
from tests.ram import Ram, allow, codes_of, two_codes
from tests.signing_in import People


def serial_of(made: dict[str, dict[str, str]]) -> dict[str, str]:
    return {"SerialNumber": made["VirtualMFADevice"]["SerialNumber"]}


def test_a_device_lives() -> None:
    ram = Ram(Service())
    ram.ok("CreateUser", UserName="alice", DisplayName="Alice")
    user_id = ram.ok("GetUser", UserName="alice")["User"]["UserId"]
    made = ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="phone")
    serial = serial_of(made)
    assert serial == {"SerialNumber": f"acs:ram::{ram.service.account}:mfa/phone"}
    listed = {"VirtualMFADevices": {"VirtualMFADevice": [serial]}}
    assert ram.ok("ListVirtualMFADevices") == listed
    assert ram.refused("GetUserMFAInfo", UserName="alice") == (404, "EntityNotExist.User.MFADevice")
    assert ram.refused("UnbindMFADevice", UserName="alice") == (404, "EntityNotExist.User.MFADevice")
    codes = two_codes(made, ram.service.clock.now())
    assert ram.ok("BindMFADevice", UserName="alice", **serial, **codes) == {}
    assert ram.ok("GetUserMFAInfo", UserName="alice") == {"MFADevice": {**serial, "Type": "VMFA"}}
    user = {"UserId": user_id, "UserName": "alice", "DisplayName": "Alice"}
    bound = {**serial, "ActivateDate": "2026-01-02T03:04:05Z", "User": user}
    assert ram.ok("ListVirtualMFADevices") == {"VirtualMFADevices": {"VirtualMFADevice": [bound]}}
    assert ram.refused("DeleteVirtualMFADevice", **serial) == (409, "DeleteConflict.VirtualMFADevice.User")
    assert ram.refused("DeleteUser", UserName="alice") == (409, "DeleteConflict.User.MFADevice")
    assert ram.ok("UnbindMFADevice", UserName="alice") == {"MFADevice": serial}
    assert ram.ok("ListVirtualMFADevices") == listed
    ram.ok("DeleteUser", UserName="alice")
    assert ram.ok("DeleteVirtualMFADevice", **serial) == {}
    assert ram.refused("DeleteVirtualMFADevice", **serial) == (404, "EntityNotExist.VirtualMFADevice")
    assert ram.ok("ListVirtualMFADevices") == {"VirtualMFADevices": {"VirtualMFADevice": []}}


def test_the_picture_is_a_png_and_the_seed_is_shown_this_once() -> None:
    service = Service()
    ram = Ram(service)
    made = ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="phone")["VirtualMFADevice"]
    picture = base64.b64decode(made["QRCodePNG"])
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert width == height > 200
    assert zlib.crc32(picture[12:29]) == struct.unpack(">I", picture[29:33])[0]
    assert len(base64.b32decode(made["Base32StringSeed"])) == 20
    assert made["Base32StringSeed"] not in str(service.records) + str(ram.ok("ListVirtualMFADevices"))
    (device,) = service.store.identities.all(MfaDevice, service.account)
    assert base64.b32decode(made["Base32StringSeed"]) not in device.seed


def test_two_codes_one_after_the_other_bind() -> None:
    service = Service()
    ram = Ram(service)
    ram.ok("CreateUser", UserName="alice")
    made = ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="phone")
    serial = serial_of(made)
    now = service.clock.now()

    def bind(*codes: str) -> tuple[int, str]:
        first, second = codes
        named = {"UserName": "alice", "AuthenticationCode1": first, "AuthenticationCode2": second}
        status, members = ram.call("BindMFADevice", **serial, **named)
        return status, members.get("Code", "")

    wrong = (403, "CheckAuthenticationCodeFail")
    for steps in ((0, -1), (0, 0), (-1, 1), (-3, -2), (1, 2), (-1, -1)):
        assert bind(*codes_of(made, now, *steps)) == wrong, steps
    assert bind("12345", "123456") == (400, "InvalidParameter")
    assert bind("123456", "１２３４５６") == (400, "InvalidParameter")
    assert bind(*codes_of(made, now, 0, 1)) == (200, "")


def test_a_device_is_bound_to_one_user_and_a_user_has_one() -> None:
    service = People()
    service.person("alice")
    service.person("bob")
    service.phone("alice")
    made = service.root.ok("CreateVirtualMFADevice", VirtualMFADeviceName="second")
    codes = two_codes(made, service.clock.now())
    second = {**serial_of(made), **codes}
    bind = "BindMFADevice"
    assert service.root.refused(bind, UserName="alice", **second) == (
        409,
        "EntityAlreadyExists.User.MFADevice",
    )
    first = {**serial_of(service.devices["alice"]), **codes}
    assert service.root.refused(bind, UserName="bob", **first) == (
        409,
        "EntityAlreadyExists.VirtualMFADevice.User",
    )
    assert service.root.refused(bind, UserName="nobody", **second) == (404, "EntityNotExist.User")
    elsewhere = second | {"SerialNumber": "acs:ram::9000000000000000:mfa/second"}
    assert service.root.refused(bind, UserName="bob", **elsewhere) == (404, "EntityNotExist.VirtualMFADevice")


def test_a_code_that_bound_signs_nobody_in_and_none_does_after_it_was_taken_away() -> None:
    service = People()
    service.person("alice")
    made = service.devices["alice"] = service.root.ok("CreateVirtualMFADevice", VirtualMFADeviceName="a")
    codes = two_codes(made, service.clock.now())
    service.root.ok("BindMFADevice", UserName="alice", **serial_of(made), **codes)
    assert service.try_to_sign_in("alice", code=codes["AuthenticationCode2"]) == "MfaCodeWrong"
    service.clock.advance(30)
    service.sign_in("alice", code=service.code("alice"))
    service.root.ok("UnbindMFADevice", UserName="alice")
    service.sign_in("alice")


@pytest.mark.parametrize(
    ("name", "status"), [("a" * 64, 200), ("a" * 65, 400), ("a/b", 400), ("a b", 400), ("", 400)]
)
def test_names(name: str, status: int) -> None:
    assert Ram(Service()).call("CreateVirtualMFADevice", VirtualMFADeviceName=name)[0] == status


def test_a_name_is_unique_and_an_account_has_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_in.MFA_DEVICES == 2000
    monkeypatch.setattr("keystead.operations.ram.mfa_devices.MFA_DEVICES", 2)
    ram = Ram(Service())
    ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="a")
    taken = (409, "EntityAlreadyExists.VirtualMFADevice")
    assert ram.refused("CreateVirtualMFADevice", VirtualMFADeviceName="a") == taken
    ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="b")
    assert ram.refused("CreateVirtualMFADevice", VirtualMFADeviceName="c") == (
        409,
        "LimitExceeded.VirtualMFADevice",
    )


def test_the_vendors_policy_lets_a_user_manage_devices() -> None:
    service = Service()
    root = Ram(service)
    of_user = allow(
        "ram:GetUserMFAInfo", "ram:BindMFADevice", "ram:UnbindMFADevice", resource="acs:ram:*:*:user/alice"
    )
    of_device = allow("ram:CreateVirtualMFADevice", "ram:DeleteVirtualMFADevice")
    alice = Ram(service, root.user("alice", of_user, of_device))
    made = alice.ok("CreateVirtualMFADevice", VirtualMFADeviceName="x")
    codes = two_codes(made, service.clock.now())
    alice.ok("BindMFADevice", UserName="alice", **serial_of(made), **codes)
    alice.ok("GetUserMFAInfo", UserName="alice")
    alice.ok("UnbindMFADevice", UserName="alice")
    alice.ok("DeleteVirtualMFADevice", **serial_of(made))
    assert alice.refused("GetUserMFAInfo", UserName="bob") == (403, "NoPermission")


def test_a_seed_that_was_moved_to_another_row_does_not_open() -> None:
    service = People()
    service.person("alice")
    service.phone("alice")
    (device,) = service.store.identities.all(MfaDevice, service.account)
    moved = msgspec.structs.replace(device, name="b")
    with pytest.raises(OperatorError, match="altered or is damaged"):
        service.world.vault.unwrap_seed(moved.account, moved.name, moved.wrapped)
