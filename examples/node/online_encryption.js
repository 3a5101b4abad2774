// Create a key and an alias, encrypt and decrypt, with the vendor's SDK for Node.js.
const kms = require("@alicloud/kms20160120");
const { Config } = require("@alicloud/rpc-client");

const SECRET = "a password\nwith two lines: 密码";

async function main() {
  const client = new kms.default(
    new Config({
      accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
      accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
      regionId: "cn-hangzhou",
      endpoint: "kms.cn-hangzhou.aliyuncs.com", // this SDK's own rule for endpoints lacks the product's name
    }),
  );
  const created = await client.createKey(new kms.CreateKeyRequest({ description: "example" }));
  const keyId = created.keyMetadata.keyId;
  const aliasName = `alias/example-${keyId}`;
  await client.createAlias(new kms.CreateAliasRequest({ keyId, aliasName }));
  const encryptionContext = { file: "app.conf", line: "1" };
  const encrypted = await client.encrypt(new kms.EncryptRequest({ keyId: aliasName, plaintext: SECRET, encryptionContext }));
  const decrypted = await client.decrypt(
    new kms.DecryptRequest({ ciphertextBlob: encrypted.ciphertextBlob, encryptionContext }),
  );
  if (decrypted.plaintext !== SECRET) throw new Error("what came back is not what was encrypted");
  console.log("decrypted what was encrypted");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
