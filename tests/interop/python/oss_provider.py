"""Puts and gets an object that oss2 encrypts on the client under a key of KMS; the bucket is in memory, the KMS calls are real."""

import json
import os
from importlib import metadata
from io import BytesIO

import oss2
import requests
from aliyunsdkcore.profile import region_provider
from oss2.crypto import AliKMSProvider

OBJECTS: dict[str, tuple[bytes, dict[str, str]]] = {}


class Bucket(requests.adapters.BaseAdapter):
    """Answers as OSS does for what is put into it."""

    def send(self, request, **kwargs):
        answer = requests.Response()
        answer.status_code, answer.request = 200, request
        if request.method == "PUT":
            kept = {name: value for name, value in request.headers.items() if name.startswith("x-oss-meta")}
            body = request.body
            OBJECTS[request.path_url] = (body.read() if hasattr(body, "read") else body, kept)
            content = b""
        else:
            content, kept = OBJECTS[request.path_url]
            answer.headers.update(kept)
        answer.headers["Content-Length"] = str(len(content))
        answer.raw = BytesIO(content)
        return answer

    def close(self):
        pass


if endpoint := os.environ.get("KMS_ENDPOINT"):
    region_provider.add_endpoint("Kms", "cn-hangzhou", endpoint)
pair = os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
for passphrase in (None, "a passphrase"):
    provider = AliKMSProvider(*pair, "cn-hangzhou", "alias/Apollo/Seal", passphrase=passphrase)
    bucket = oss2.CryptoBucket(
        oss2.Auth(*pair),
        "https://oss-cn-hangzhou.aliyuncs.com",
        "apollo",
        crypto_provider=provider,
        session=oss2.Session(adapter=Bucket()),
        enable_crc=False,
    )
    content = "a b+c*~é".encode() * 1000
    bucket.put_object("settings", content)
    ((kept, _),) = OBJECTS.values()
    assert content not in kept
    assert bucket.get_object("settings").read() == content
print(json.dumps({"version": metadata.version("oss2")}))
