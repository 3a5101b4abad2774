// Calls the operations of a JSON file with the vendor's Node SDK, and prints each answer as the SDK parsed it.
const crypto = require("crypto");
const fs = require("fs");
const Kms = require("@alicloud/kms20160120");
const OpenApi = require("@alicloud/openapi-client");

async function main() {
  const client = new Kms.default(
    new OpenApi.Config({
      accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
      accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
      endpoint: "kms.cn-hangzhou.aliyuncs.com",
    }),
  );
  const known = {};
  const wrapped = () =>
    crypto
      .publicEncrypt(
        {
          key: crypto.createPublicKey({ key: Buffer.from(known.$PUBLIC, "base64"), format: "der", type: "spki" }),
          padding: crypto.constants.RSA_PKCS1_OAEP_PADDING,
          oaepHash: "sha256",
        },
        Buffer.alloc(32),
      )
      .toString("base64");
  const fill = (value) =>
    Array.isArray(value) ? value.map(fill) : value === "$MATERIAL" ? wrapped() : (known[value] ?? value);
  const answers = [];
  for (const [action, parameters] of JSON.parse(fs.readFileSync(process.argv[2], "utf-8"))) {
    const method = action[0].toLowerCase() + action.slice(1);
    if (!client[method]) continue; // SDK 1.2.0 does not know it
    const request = Kms[`${action}Request`];
    const named = {};
    for (const [property, name] of Object.entries(request?.names() ?? {})) {
      if (name in parameters) named[property] = fill(parameters[name]);
    }
    const reply = request ? await client[method](new request(named)) : await client[method]();
    const body = reply.toMap();
    known.$KEY ??= body.KeyMetadata?.KeyId;
    known.$ARN ??= body.KeyMetadata?.Arn;
    known.$VERSION = body.KeyVersion?.KeyVersionId ?? known.$VERSION;
    known.$BLOB ??= body.CiphertextBlob;
    known.$NEWKEY = body.KeyMetadata?.KeyId ?? known.$NEWKEY;
    known.$NEWBLOB = body.CiphertextBlob ?? known.$NEWBLOB;
    known.$LISTED = body.KeyVersions?.KeyVersion?.[0].KeyVersionId ?? known.$LISTED;
    known.$VALUE = body.Value ?? known.$VALUE;
    known.$TOKEN = body.ImportToken ?? known.$TOKEN;
    known.$PUBLIC = body.PublicKey ?? known.$PUBLIC;
    answers.push([action, body]);
  }
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
