"""Encrypts and decrypts with the client that carries programs of the shared KMS over to an instance: here with the shared one."""

import json
import os
from importlib import metadata

from alibabacloud_dkms_transfer.kms_transfer_acs_client import KmsTransferAcsClient
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkkms.request.v20160120 import (
    CreateAliasRequest,
    CreateKeyRequest,
    DecryptRequest,
    DescribeKeyRequest,
    EncryptRequest,
)

client = KmsTransferAcsClient(
    ak=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
    secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    region_id="cn-hangzhou",
)


def call(request, **values):
    request.set_accept_format("JSON")
    for name, value in values.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(client.do_action_with_exception(request))


key = call(CreateKeyRequest.CreateKeyRequest())["KeyMetadata"]["KeyId"]
call(CreateAliasRequest.CreateAliasRequest(), KeyId=key, AliasName="alias/Apollo/WorkKey")
sealed = call(EncryptRequest.EncryptRequest(), KeyId="alias/Apollo/WorkKey", Plaintext="a b+c*~é")
opened = call(DecryptRequest.DecryptRequest(), CiphertextBlob=sealed["CiphertextBlob"])
assert (opened["Plaintext"], opened["KeyId"]) == ("a b+c*~é", key)
try:
    call(DescribeKeyRequest.DescribeKeyRequest(), KeyId="nowhere")
except ServerException as error:
    assert error.get_error_code() == "Forbidden.KeyNotFound"
else:
    raise SystemExit("a key that there is not was described")
print(json.dumps({"version": metadata.version("alibabacloud-dkms-transfer-python")}))
