// Encrypt and decrypt with the vendor's generic ACS3 client: chunked form bodies, few signed headers.
const OpenApi = require("@alicloud/openapi-client");
const Util = require("@alicloud/tea-util");

async function main() {
  const client = new OpenApi.default(
    new OpenApi.Config({
      accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
      accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
      endpoint: process.env.KMS_ENDPOINT ?? "kms.cn-hangzhou.aliyuncs.com",
    }),
  );
  const call = async (action, query, body) => {
    const params = new OpenApi.Params({
      action, version: "2016-01-20", protocol: "HTTPS", pathname: "/", method: "POST", authType: "AK",
      style: "RPC", reqBodyType: "formData", bodyType: "json",
    });
    const reply = await client.callApi(params, new OpenApi.OpenApiRequest({ query, body }), new Util.RuntimeOptions({}));
    return reply.body;
  };
  const { KeyMetadata } = await call("CreateKey", {}, {});
  await call("CreateAlias", { KeyId: KeyMetadata.KeyId }, { AliasName: "alias/Apollo/WorkKey" });
  const { CiphertextBlob } = await call("Encrypt", { KeyId: "alias/Apollo/WorkKey" }, { Plaintext: "a b+c*~é" });
  const { Plaintext } = await call("Decrypt", {}, { CiphertextBlob });
  if (Plaintext !== "a b+c*~é") throw new Error(Plaintext);
  console.log(JSON.stringify({ version: require("@alicloud/openapi-client/package.json").version }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
