"""Create a key and an alias, encrypt and decrypt, with the vendor's current SDK; sync, or async with --async."""

import asyncio
import os
import sys

from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config

SECRET = "a password\nwith two lines: 密码"

client = Client(
    Config(
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        region_id="cn-hangzhou",
    )
)


def check(plaintext: str) -> None:
    if plaintext != SECRET:
        raise SystemExit("what came back is not what was encrypted")
    print("decrypted what was encrypted")


def run() -> None:
    key_id = client.create_key(models.CreateKeyRequest(description="example")).body.key_metadata.key_id
    client.create_alias(models.CreateAliasRequest(key_id=key_id, alias_name=f"alias/example-{key_id}"))
    encrypted = client.encrypt(
        models.EncryptRequest(
            key_id=f"alias/example-{key_id}", plaintext=SECRET, encryption_context={"file": "app.conf"}
        )
    )
    decrypted = client.decrypt(
        models.DecryptRequest(
            ciphertext_blob=encrypted.body.ciphertext_blob, encryption_context={"file": "app.conf"}
        )
    )
    check(decrypted.body.plaintext)


async def run_async() -> None:
    created = await client.create_key_async(models.CreateKeyRequest(description="example"))
    key_id = created.body.key_metadata.key_id
    encrypted = await client.encrypt_async(models.EncryptRequest(key_id=key_id, plaintext=SECRET))
    decrypted = await client.decrypt_async(
        models.DecryptRequest(ciphertext_blob=encrypted.body.ciphertext_blob)
    )
    check(decrypted.body.plaintext)


if "--async" in sys.argv:
    asyncio.run(run_async())
else:
    run()
