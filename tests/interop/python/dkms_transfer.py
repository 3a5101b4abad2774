"""Encrypts and decrypts with the client that carries programs of the shared KMS over to an instance: here with the shared one."""

import json
import os
from importlib import metadata

from alibabacloud_dkms_transfer.kms_transfer_acs_client import KmsTransferAcsClient
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.profile import region_provider
from aliyunsdkkms.request.v20160120 import (
    CreateAliasRequest,
    CreateKeyRequest,
    DecryptRequest,
    DescribeKeyRequest,
    EncryptRequest,
)

if endpoint := os.environ.get("KMS_ENDPOINT"):
    region_provider.add_endpoint("Kms", "cn-hangzhou", endpoint)
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
refused = ""
try:
    call(DescribeKeyRequest.DescribeKeyRequest(), KeyId="nowhere")
except ServerException as error:
    refused = error.get_error_code()
assert refused == "Forbidden.KeyNotFound", refused
print(json.dumps({"version": metadata.version("alibabacloud-dkms-transfer-python")}))
