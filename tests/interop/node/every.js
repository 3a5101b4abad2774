// Calls the operations of a JSON file with the vendor's Node SDK, and prints each answer as the SDK parsed it.
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
  const answers = [];
  for (const [action, parameters] of JSON.parse(fs.readFileSync(process.argv[2], "utf-8"))) {
    const method = action[0].toLowerCase() + action.slice(1);
    if (!client[method]) continue; // SDK 1.2.0 does not know it
    const request = Kms[`${action}Request`];
    const named = {};
    for (const [property, name] of Object.entries(request?.names() ?? {})) {
      if (name in parameters) named[property] = known[parameters[name]] ?? parameters[name];
    }
    const reply = request ? await client[method](new request(named)) : await client[method]();
    const body = reply.toMap();
    known.$KEY ??= body.KeyMetadata?.KeyId;
    known.$ARN ??= body.KeyMetadata?.Arn;
    known.$VERSION = body.KeyVersion?.KeyVersionId ?? known.$VERSION;
    known.$BLOB ??= body.CiphertextBlob;
    answers.push([action, body]);
  }
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
