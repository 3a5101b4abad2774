// Create a key, encrypt and decrypt with the vendor's generic client: GET by default, POST with a form body.
const Core = require("@alicloud/pop-core");

async function main() {
  const client = new Core({
    accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
    accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
    endpoint: `https://${process.env.KMS_ENDPOINT ?? "kms.cn-hangzhou.aliyuncs.com"}`,
    apiVersion: "2016-01-20",
  });
  for (const method of ["GET", "POST"]) {
    const { KeyMetadata } = await client.request("CreateKey", {}, { method });
    const AliasName = `alias/Apollo/${method}`;
    await client.request("CreateAlias", { KeyId: KeyMetadata.KeyId, AliasName }, { method });
    const { CiphertextBlob } = await client.request("Encrypt", { KeyId: AliasName, Plaintext: "a b+c*~é" }, { method });
    const { Plaintext } = await client.request("Decrypt", { CiphertextBlob }, { method });
    if (Plaintext !== "a b+c*~é") throw new Error(Plaintext);
  }
  try {
    await client.request("DescribeKey", { KeyId: "nowhere" }, {});
  } catch (error) {
    if (error.code !== "Forbidden.KeyNotFound") throw error;
  }
  console.log(JSON.stringify({ version: require("@alicloud/pop-core/package.json").version }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
