"""The same with the classic SDK. It takes AccessKey and region from the environment, as programs do."""

import base64
import json
import os
import sys

from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.DecryptRequest import DecryptRequest
from aliyunsdkkms.request.v20160120.EncryptRequest import EncryptRequest


def client_of_this_machine() -> AcsClient:
    return AcsClient(
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        os.environ["ALIBABA_CLOUD_REGION_ID"],
    )


def seal(client: AcsClient, key: str, text: str) -> str:
    request = EncryptRequest()
    request.set_KeyId(key)
    request.set_Plaintext(base64.b64encode(text.encode()).decode())
    return json.loads(client.do_action_with_exception(request))["CiphertextBlob"]


def open_note(client: AcsClient, sealed: str) -> str:
    request = DecryptRequest()
    request.set_CiphertextBlob(sealed)
    return base64.b64decode(json.loads(client.do_action_with_exception(request))["Plaintext"]).decode()


if __name__ == "__main__":
    kms = client_of_this_machine()
    print(open_note(kms, seal(kms, "alias/notes", sys.argv[1])))
