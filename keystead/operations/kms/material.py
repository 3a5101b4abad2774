"""Bring your own key: material that is made elsewhere, imported wrapped, deleted or expired, and imported again."""

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire_types import (
    Bytes,
    Empty,
    ExpiryTime,
    ImportWrapping,
    KeyIdRef,
    Reply,
    Request,
    WrappingSpec,
)
from keystead.clock import iso8601
from keystead.crypto.primitives.asymmetric import public_key
from keystead.crypto.sealing import Unopenable
from keystead.crypto.vault import Transport
from keystead.domain.keys.algorithms import IMPORTS, Use, wrapping
from keystead.domain.keys.key import DAY
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import (
    ExpiredImportToken,
    InvalidImportToken,
    InvalidKeyMaterial,
    InvalidParameter,
    UnsupportedOperation,
)


class GetParametersForImportRequest(Request, frozen=True):
    key_id: KeyIdRef
    wrapping_algorithm: ImportWrapping
    wrapping_key_spec: WrappingSpec


class GetParametersForImportReply(Reply, frozen=True):
    key_id: str
    import_token: str
    public_key: bytes
    token_expire_time: str


@key_operation(gate=Gate.ANY, use=Use.IMPORT, errors=(UnsupportedOperation,))
def get_parameters_for_import(
    call: KeyCall, request: GetParametersForImportRequest
) -> GetParametersForImportReply:
    """Give a public key to wrap material with, and a token that goes with it; both serve one key for 24 hours."""
    spec = wrapping(request.wrapping_key_spec, request.wrapping_algorithm, IMPORTS)
    private = call.generate(spec)
    transport = Transport(
        spec=spec, algorithm=request.wrapping_algorithm, expires=call.now + DAY, private_key=private
    )
    return GetParametersForImportReply(
        key_id=call.key.key_id,
        import_token=call.vault.make_token(call.key, transport),
        public_key=public_key(spec, private),
        token_expire_time=iso8601(transport.expires),
    )


class ImportKeyMaterialRequest(Request, frozen=True):
    key_id: KeyIdRef
    encrypted_key_material: Bytes
    import_token: Bytes
    key_material_expire_unix: ExpiryTime = 0


@key_operation(
    gate=Gate.MODIFY,
    use=Use.IMPORT,
    changes=True,
    errors=(InvalidImportToken, ExpiredImportToken, InvalidKeyMaterial, UnsupportedOperation),
)
def import_key_material(call: KeyCall, request: ImportKeyMaterialRequest) -> Empty:
    """Import material that was wrapped with the public key of a token; a key that had material takes the same only."""
    expires = request.key_material_expire_unix
    if expires and expires <= call.now:
        raise InvalidParameter(name="KeyMaterialExpireUnix")
    try:
        transport = call.vault.open_token(call.key, request.import_token)
    except Unopenable:
        raise InvalidImportToken from None
    if transport.expires <= call.now:
        raise ExpiredImportToken
    try:
        version, check = call.slow(
            call.vault.import_material,
            call.key,
            call.version,
            transport,
            request.encrypted_key_material,
        )
    except Unopenable:
        raise InvalidKeyMaterial from None
    call.store.keys.put_version(version)
    call.store.keys.put(call.key.at(call.now).with_material(check, expires or None))
    return Empty()


class DeleteKeyMaterialRequest(Request, frozen=True):
    key_id: KeyIdRef


@key_operation(gate=Gate.ANY, use=Use.IMPORT, changes=True, confirmed=True)
def delete_key_material(call: KeyCall, request: DeleteKeyMaterialRequest) -> Empty:
    """Delete imported material at once; nothing opens until its owner imports the same again."""
    call.store.keys.put_version(call.vault.without_material(call.version))
    call.store.keys.put(call.key.without_material())
    return Empty()
