"""The texts of `snippets`: for each kind of key those of each client. `@KEY@` and the like are filled in."""

_PYTHON = """
import base64
import hashlib
import os

from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config

client = Client(
    Config(
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        region_id="@REGION@",
        endpoint="@ENDPOINT@",
        ca="ca.pem",§
    )
)
"""
_CLASSIC = """
import base64
import hashlib
import json
import os

from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120 import @REQUESTS@

client = AcsClient(
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    "@REGION@",
    port=@PORT@,§
    verify="ca.pem",§
)


def send(request):
    request.set_endpoint("@HOST@")§
    return json.loads(client.do_action_with_exception(request))


"""
_JAVA = """
import com.aliyun.kms20160120.Client;
import com.aliyun.kms20160120.models.*;
import com.aliyun.teaopenapi.models.Config;

// ca.pem has to be in a trust store:§
//   keytool -importcert -noprompt -alias keystead -file ca.pem -keystore trust.p12 \\§
//     -storetype PKCS12 -storepass changeit§
//   java -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit …§
public class Example {
    public static void main(String[] arguments) throws Exception {
        Client client = new Client(new Config()
            .setAccessKeyId(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"))
            .setAccessKeySecret(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
            .setRegionId("@REGION@")
            .setEndpoint("@ENDPOINT@"));
"""
_GO = """
// with SSL_CERT_FILE=ca.pem§
package main

import (
\t"fmt"
\t"log"
\t"os"

\topenapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
\tkms "github.com/alibabacloud-go/kms-20160120/v3/client"
\t"github.com/alibabacloud-go/tea/tea"
)

func check(err error) {
\tif err != nil {
\t\tlog.Fatal(err)
\t}
}

func main() {
\tclient, err := kms.NewClient(&openapi.Config{
\t\tAccessKeyId:     tea.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")),
\t\tAccessKeySecret: tea.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")),
\t\tRegionId:        tea.String("@REGION@"),
\t\tEndpoint:        tea.String("@ENDPOINT@"),
\t})
\tcheck(err)
"""
_NODE = """
// with NODE_EXTRA_CA_CERTS=ca.pem§
const kms = require("@alicloud/kms20160120");
const { Config } = require("@alicloud/rpc-client");

const client = new kms.default(
  new Config({
    accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
    accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
    endpoint: "@ENDPOINT@",
    regionId: "@REGION@",
  }),
);

"""
_ALIYUN = """
export SSL_CERT_FILE=ca.pem§
"""
_REMOTE = "--endpoint @URL@ --ca ca.pem --region @REGION@"


def _classic(body: str) -> str:
    """A program whose requests are imported by their names."""
    names = sorted({name for name in _words(body) if name.endswith("Request")})
    imports = "\n".join(f"from aliyunsdkkms.request.v20160120.{name} import {name}" for name in names)
    return _used(
        _CLASSIC.replace("from aliyunsdkkms.request.v20160120 import @REQUESTS@", imports) + body.lstrip("\n")
    )


def _words(text: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in text).split()


def _used(program: str) -> str:
    """Without the imports that the program does not use."""
    unused = [f"import {name}\n" for name in ("base64", "hashlib") if f"{name}." not in program]
    for line in unused:
        program = program.replace(line, "")
    return program


def _python(body: str) -> str:
    return _used(_PYTHON + body.lstrip("\n"))


SYMMETRIC = {
    "python": _python("""
encrypted = client.encrypt(models.EncryptRequest(key_id="@KEY@", plaintext="a password"))
ciphertext = encrypted.body.ciphertext_blob
print(ciphertext)

decrypted = client.decrypt(models.DecryptRequest(ciphertext_blob=ciphertext))
print(decrypted.body.plaintext)
"""),
    "classic": _classic("""
encrypt = EncryptRequest()
encrypt.set_KeyId("@KEY@")
encrypt.set_Plaintext("a password")
ciphertext = send(encrypt)["CiphertextBlob"]
print(ciphertext)

decrypt = DecryptRequest()
decrypt.set_CiphertextBlob(ciphertext)
print(send(decrypt)["Plaintext"])
"""),
    "java": _JAVA
    + """
        String ciphertext = client.encrypt(new EncryptRequest().setKeyId("@KEY@").setPlaintext("a password"))
            .getBody().getCiphertextBlob();
        System.out.println(ciphertext);
        System.out.println(
            client.decrypt(new DecryptRequest().setCiphertextBlob(ciphertext)).getBody().getPlaintext());
    }
}
""",
    "go": _GO
    + """
\tsealed, err := client.Encrypt(&kms.EncryptRequest{
\t\tKeyId:     tea.String("@KEY@"),
\t\tPlaintext: tea.String("a password"),
\t})
\tcheck(err)
\tfmt.Println(*sealed.Body.CiphertextBlob)

\topened, err := client.Decrypt(&kms.DecryptRequest{CiphertextBlob: sealed.Body.CiphertextBlob})
\tcheck(err)
\tfmt.Println(*opened.Body.Plaintext)
}
""",
    "node": _NODE
    + """async function main() {
  const { ciphertextBlob } = await client.encrypt(
    new kms.EncryptRequest({ keyId: "@KEY@", plaintext: "a password" }),
  );
  console.log(ciphertextBlob);
  const { plaintext } = await client.decrypt(new kms.DecryptRequest({ ciphertextBlob }));
  console.log(plaintext);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
""",
    "aliyun": _ALIYUN
    + """aliyun kms Encrypt --region @REGION@ --endpoint @ENDPOINT@ \\
    --KeyId @KEY@ --Plaintext 'a password'
aliyun kms Decrypt --region @REGION@ --endpoint @ENDPOINT@ \\
    --CiphertextBlob 'WHAT ENCRYPT GAVE'
""",
    "terraform": """
# keystead run --endpoint @URL@ --ca ca.pem --region @REGION@ -- terraform apply
provider "alicloud" {
  region = "@REGION@"
}

resource "alicloud_kms_ciphertext" "password" {
  key_id    = "@KEY@"
  plaintext = "a password"
}

data "alicloud_kms_plaintext" "password" {
  ciphertext_blob = alicloud_kms_ciphertext.password.ciphertext_blob
}
""",
    "kms": f"""
keystead kms Encrypt {_REMOTE} \\
    --KeyId @KEY@ --Plaintext file:password.txt -q CiphertextBlob > password.cipher
keystead kms Decrypt {_REMOTE} \\
    --CiphertextBlob file:password.cipher -q Plaintext
""",
    "file": f"""
keystead file encrypt {_REMOTE} \\
    --key @KEY@ server.key
keystead file decrypt {_REMOTE} \\
    server.key.cipher -o server.key
""",
    "exec": f"""
# server.key.cipher was made with keystead file encrypt --key @KEY@
keystead exec {_REMOTE} \\
    --file /dev/shm/server.key=server.key.cipher -- nginx -g 'daemon off;'
""",
}

SIGNATURE = {
    "python": _python("""
digest = hashlib.new("@DIGEST@", b"a message").digest()
signed = client.asymmetric_sign(
    models.AsymmetricSignRequest(
        key_id="@KEY@",
        key_version_id="@VERSION@",
        algorithm="@ALGORITHM@",
        digest=base64.b64encode(digest).decode(),
    )
)
print(signed.body.value)
"""),
    "classic": _classic("""
sign = AsymmetricSignRequest()
sign.set_KeyId("@KEY@")
sign.set_KeyVersionId("@VERSION@")
sign.set_Algorithm("@ALGORITHM@")
sign.set_Digest(base64.b64encode(hashlib.new("@DIGEST@", b"a message").digest()).decode())
print(send(sign)["Value"])
"""),
    "java": _JAVA
    + """
        // the base64 of the 32 bytes of the message's digest
        String digest = arguments[0];
        System.out.println(client.asymmetricSign(new AsymmetricSignRequest().setKeyId("@KEY@")
            .setKeyVersionId("@VERSION@")
            .setAlgorithm("@ALGORITHM@").setDigest(digest)).getBody().getValue());
    }
}
""",
    "go": _GO
    + """
\t// the base64 of the 32 bytes of the message's digest
\tdigest := os.Args[1]
\tsigned, err := client.AsymmetricSign(&kms.AsymmetricSignRequest{
\t\tKeyId:        tea.String("@KEY@"),
\t\tKeyVersionId: tea.String("@VERSION@"),
\t\tAlgorithm:    tea.String("@ALGORITHM@"),
\t\tDigest:       tea.String(digest),
\t})
\tcheck(err)
\tfmt.Println(*signed.Body.Value)
}
""",
    "node": _NODE
    + """// the base64 of the 32 bytes of the message's digest
const digest = process.argv[2];
client
  .asymmetricSign(
    new kms.AsymmetricSignRequest({
      keyId: "@KEY@",
      keyVersionId: "@VERSION@",
      algorithm: "@ALGORITHM@",
      digest,
    }),
  )
  .then(({ value }) => console.log(value));
""",
    "aliyun": _ALIYUN
    + """aliyun kms AsymmetricSign --region @REGION@ --endpoint @ENDPOINT@ \\
    --KeyId @KEY@ --KeyVersionId @VERSION@ \\
    --Algorithm @ALGORITHM@ --Digest "$(openssl dgst -@DIGEST@ -binary FILE | base64)"
""",
    "kms": f"""
keystead kms AsymmetricSign {_REMOTE} \\
    --KeyId @KEY@ --KeyVersionId @VERSION@ \\
    --Algorithm @ALGORITHM@ --Digest "$(openssl dgst -@DIGEST@ -binary FILE | base64)"
keystead kms GetPublicKey {_REMOTE} \\
    --KeyId @KEY@ --KeyVersionId @VERSION@ -q PublicKey
""",
}

PAIR = {
    "python": _python("""
encrypted = client.asymmetric_encrypt(
    models.AsymmetricEncryptRequest(
        key_id="@KEY@",
        key_version_id="@VERSION@",
        algorithm="@ALGORITHM@",
        plaintext=base64.b64encode(b"a password").decode(),
    )
)
ciphertext = encrypted.body.ciphertext_blob
decrypted = client.asymmetric_decrypt(
    models.AsymmetricDecryptRequest(
        key_id="@KEY@",
        key_version_id="@VERSION@",
        algorithm="@ALGORITHM@",
        ciphertext_blob=ciphertext,
    )
)
print(base64.b64decode(decrypted.body.plaintext))
"""),
    "classic": _classic("""
encrypt = AsymmetricEncryptRequest()
encrypt.set_Plaintext(base64.b64encode(b"a password").decode())
decrypt = AsymmetricDecryptRequest()
for request in (encrypt, decrypt):
    request.set_KeyId("@KEY@")
    request.set_KeyVersionId("@VERSION@")
    request.set_Algorithm("@ALGORITHM@")
decrypt.set_CiphertextBlob(send(encrypt)["CiphertextBlob"])
print(base64.b64decode(send(decrypt)["Plaintext"]))
"""),
    "aliyun": _ALIYUN
    + """aliyun kms AsymmetricEncrypt --region @REGION@ --endpoint @ENDPOINT@ \\
    --KeyId @KEY@ --KeyVersionId @VERSION@ \\
    --Algorithm @ALGORITHM@ --Plaintext "$(base64 -w0 FILE)"
""",
    "kms": f"""
keystead kms AsymmetricEncrypt {_REMOTE} \\
    --KeyId @KEY@ --KeyVersionId @VERSION@ \\
    --Algorithm @ALGORITHM@ --Plaintext "$(base64 -w0 FILE)" -q CiphertextBlob
keystead kms GetPublicKey {_REMOTE} \\
    --KeyId @KEY@ --KeyVersionId @VERSION@ -q PublicKey
""",
}

MAC = {
    "python": _python("""
message = base64.b64encode(b"a message").decode()
made = client.generate_mac(
    models.GenerateMacRequest(key_id="@KEY@", algorithm="@ALGORITHM@", message=message)
)
mac = made.body.mac
verified = client.verify_mac(
    models.VerifyMacRequest(key_id="@KEY@", algorithm="@ALGORITHM@", message=message, mac=mac)
)
print(mac, verified.body.value)
"""),
    "aliyun": _ALIYUN
    + """aliyun kms GenerateMac --region @REGION@ --endpoint @ENDPOINT@ \\
    --KeyId @KEY@ --Algorithm @ALGORITHM@ --Message "$(base64 -w0 FILE)"
""",
    "kms": f"""
keystead kms GenerateMac {_REMOTE} \\
    --KeyId @KEY@ --Algorithm @ALGORITHM@ \\
    --Message "$(base64 -w0 FILE)" -q Mac
""",
}
