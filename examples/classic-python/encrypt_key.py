"""Encrypt certs/key.pem under alias/Apollo/WorkKey with the vendor's classic SDK; writes certs/key.pem.cipher."""

import json
import os
from pathlib import Path

from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.EncryptRequest import EncryptRequest

client = AcsClient(
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou"
)
request = EncryptRequest()
request.set_KeyId("alias/Apollo/WorkKey")
request.set_Plaintext(Path("certs/key.pem").read_bytes().decode())
reply = json.loads(client.do_action_with_exception(request))
Path("certs/key.pem.cipher").write_text(reply["CiphertextBlob"])
