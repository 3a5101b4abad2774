"""Decrypt certs/key.pem.cipher with the vendor's classic SDK, as a server does when it starts; prints the key's PEM."""

import json
import os
import sys
from pathlib import Path

from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.DecryptRequest import DecryptRequest

client = AcsClient(
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou"
)
request = DecryptRequest()
request.set_CiphertextBlob(Path("certs/key.pem.cipher").read_text())
reply = json.loads(client.do_action_with_exception(request))
sys.stdout.write(reply["Plaintext"])
