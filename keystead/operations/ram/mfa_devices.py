"""MFA devices: apps on a phone whose code a user gives at signing in, beside the password."""

import base64
import io

import msgspec
import segno

from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import find_user
from keystead.api.ram_types import AuthenticationCode, DeletedSerialNumber, DeviceName, SerialNumber, UserName
from keystead.api.sign_in_rows import device_of
from keystead.api.wire_types import Empty, Reply, Request
from keystead.clock import iso8601
from keystead.crypto import one_time_codes
from keystead.domain.arns import ram_arn
from keystead.domain.identities import User
from keystead.domain.products import RAM
from keystead.domain.sign_in import MFA_DEVICES, MfaDevice
from keystead.errors import (
    AuthenticationCodeWrong,
    MfaDeviceBound,
    MfaDeviceInUse,
    MfaDeviceNotFound,
    MfaDeviceTaken,
    TooManyMfaDevices,
    UserMfaDeviceNotFound,
    UserMfaDeviceTaken,
    UserNotFound,
)

_TYPE = "VMFA"  # as the vendor calls an app
_DOT = 6  # pixels of a QR code's smallest square


def _serial(account: str, name: str) -> str:
    return ram_arn(account, "mfa", name)


def _find(call: Call, serial: str) -> MfaDevice:
    for one in call.store.identities.all(MfaDevice, call.account):
        if _serial(one.account, one.name) == serial:
            return one
    raise MfaDeviceNotFound(name=serial)


def _of(call: Call, user: User) -> MfaDevice:
    device = device_of(call.store, call.account, user.user_id)
    if device is None:
        raise UserMfaDeviceNotFound(name=user.name)
    return device


class CreateVirtualMFADeviceRequest(Request, frozen=True):
    virtual_mfa_device_name: DeviceName = msgspec.field(name="VirtualMFADeviceName")


class MadeDevice(Reply, frozen=True):
    serial_number: str
    base32_string_seed: str = msgspec.field(name="Base32StringSeed")
    qr_code_png: str = msgspec.field(name="QRCodePNG")


class CreateVirtualMFADeviceReply(Reply, frozen=True):
    virtual_mfa_device: MadeDevice = msgspec.field(name="VirtualMFADevice")


@operation(
    changes=True,
    product=RAM,
    own=True,
    action="CreateVirtualMFADevice",
    errors=(MfaDeviceTaken, TooManyMfaDevices),
)
def create_virtual_mfa_device(
    call: Call, request: CreateVirtualMFADeviceRequest
) -> CreateVirtualMFADeviceReply:
    """Make an MFA device: its seed and QR code are shown this once, for an app to read. It is to be bound to a user."""
    name, devices = request.virtual_mfa_device_name, call.store.identities.all(MfaDevice, call.account)
    if any(one.name == name for one in devices):
        raise MfaDeviceTaken(name=name)
    if len(devices) >= MFA_DEVICES:
        raise TooManyMfaDevices(limit=MFA_DEVICES)
    seed = call.entropy.take(one_time_codes.SEED_BYTES)
    wrapped = call.vault.wrap_seed(call.account, name, seed)
    call.store.identities.add(
        MfaDevice(account=call.account, name=name, generation=wrapped.generation, seed=wrapped.blob)
    )
    return CreateVirtualMFADeviceReply(
        virtual_mfa_device=MadeDevice(
            serial_number=_serial(call.account, name),
            base32_string_seed=one_time_codes.base32(seed),
            qr_code_png=_png(one_time_codes.uri(seed, f"{name}@{call.account}")),
        )
    )


def _png(text: str) -> str:
    picture = io.BytesIO()
    segno.make_qr(text).save(picture, kind="png", scale=_DOT)
    return base64.b64encode(picture.getvalue()).decode()


class ListVirtualMFADevicesRequest(Request, frozen=True):
    pass


class DeviceUser(Reply, frozen=True):
    user_id: str
    user_name: str
    display_name: str


class ListedDevice(Reply, frozen=True):
    serial_number: str
    activate_date: str = ""  # missing, as the next, of one that is not bound
    user: DeviceUser | None = None


class ListedDevices(Reply, frozen=True):
    virtual_mfa_device: list[ListedDevice] = msgspec.field(name="VirtualMFADevice")


class ListVirtualMFADevicesReply(Reply, frozen=True):
    virtual_mfa_devices: ListedDevices = msgspec.field(name="VirtualMFADevices")


@operation(product=RAM, container="mfa/*", action="ListVirtualMFADevices")
def list_virtual_mfa_devices(call: Call, request: ListVirtualMFADevicesRequest) -> ListVirtualMFADevicesReply:
    """List the MFA devices of the account, oldest first, with the users that they are bound to."""
    users = {user.user_id: user for user in call.store.identities.all(User, call.account)}

    def listed(device: MfaDevice) -> ListedDevice:
        serial = _serial(device.account, device.name)
        if not device.user_id:
            return ListedDevice(serial_number=serial)
        user = users[device.user_id]
        shown = DeviceUser(user_id=user.user_id, user_name=user.name, display_name=user.display_name)
        return ListedDevice(serial_number=serial, activate_date=iso8601(device.activated), user=shown)

    devices = call.store.identities.all(MfaDevice, call.account)
    return ListVirtualMFADevicesReply(
        virtual_mfa_devices=ListedDevices(virtual_mfa_device=[listed(one) for one in devices])
    )


class DeleteVirtualMFADeviceRequest(Request, frozen=True):
    serial_number: DeletedSerialNumber


@operation(
    changes=True,
    product=RAM,
    own=True,
    action="DeleteVirtualMFADevice",
    errors=(MfaDeviceInUse, MfaDeviceNotFound),
)
def delete_virtual_mfa_device(call: Call, request: DeleteVirtualMFADeviceRequest) -> Empty:
    """Delete an MFA device that is bound to nobody."""
    device = _find(call, request.serial_number)
    if device.user_id:
        raise MfaDeviceInUse
    call.store.identities.remove(device)
    return Empty()


class BindMFADeviceRequest(Request, frozen=True):
    serial_number: SerialNumber
    user_name: UserName
    authentication_code1: AuthenticationCode = msgspec.field(name="AuthenticationCode1")
    authentication_code2: AuthenticationCode = msgspec.field(name="AuthenticationCode2")


@operation(
    changes=True,
    product=RAM,
    own=True,
    confirmed=True,
    action="BindMFADevice",
    errors=(AuthenticationCodeWrong, MfaDeviceBound, MfaDeviceNotFound, UserMfaDeviceTaken, UserNotFound),
)
def bind_mfa_device(call: Call, request: BindMFADeviceRequest) -> Empty:
    """Bind an MFA device to a user, by two codes that it shows one after the other; from now on signing in needs one."""
    user = find_user(call, request.user_name)
    device = _find(call, request.serial_number)
    if device.user_id:
        raise MfaDeviceBound(name=request.serial_number)
    if device_of(call.store, call.account, user.user_id) is not None:
        raise UserMfaDeviceTaken(name=user.name)
    seed = call.vault.unwrap_seed(device.account, device.name, device.wrapped)
    codes = request.authentication_code1, request.authentication_code2
    step = one_time_codes.second_step_of(seed, *codes, call.now)
    if step is None:
        raise AuthenticationCodeWrong
    call.store.identities.put(
        msgspec.structs.replace(device, user_id=user.user_id, activated=call.now, step=step)
    )
    return Empty()


class UnbindMFADeviceRequest(Request, frozen=True):
    user_name: UserName


class UnboundDevice(Reply, frozen=True):
    serial_number: str


class UnbindMFADeviceReply(Reply, frozen=True):
    mfa_device: UnboundDevice = msgspec.field(name="MFADevice")


@operation(
    changes=True,
    product=RAM,
    confirmed=True,
    action="UnbindMFADevice",
    errors=(UserMfaDeviceNotFound, UserNotFound),
)
def unbind_mfa_device(call: Call, request: UnbindMFADeviceRequest) -> UnbindMFADeviceReply:
    """Take the MFA device from a user, who then signs in without a code."""
    device = _of(call, find_user(call, request.user_name))
    call.store.identities.put(msgspec.structs.replace(device, user_id="", activated=0))
    return UnbindMFADeviceReply(mfa_device=UnboundDevice(serial_number=_serial(device.account, device.name)))


class GetUserMFAInfoRequest(Request, frozen=True):
    user_name: UserName


class UserDevice(Reply, frozen=True):
    serial_number: str
    type: str


class GetUserMFAInfoReply(Reply, frozen=True):
    mfa_device: UserDevice = msgspec.field(name="MFADevice")


@operation(product=RAM, own=True, action="GetUserMFAInfo", errors=(UserMfaDeviceNotFound, UserNotFound))
def get_user_mfa_info(call: Call, request: GetUserMFAInfoRequest) -> GetUserMFAInfoReply:
    """Show the MFA device of a user."""
    device = _of(call, find_user(call, request.user_name))
    shown = UserDevice(serial_number=_serial(device.account, device.name), type=_TYPE)
    return GetUserMFAInfoReply(mfa_device=shown)
