// Calls the operations of a JSON file with the vendor's Node SDK. Prints what it lacks, each answer as the SDK parsed it with
// the members that it declares, and the refusals.
const crypto = require("crypto");
const fs = require("fs");
const Kms = require("@alicloud/kms20160120");
const OpenApi = require("@alicloud/openapi-client");

// The leaves of a reply type by path, each with its type; the rows of a list count as one.
const declared = (type, at = "") =>
  Object.entries(type.types()).flatMap(([property, kind]) => {
    const name = at + type.names()[property];
    const inner = kind.type === "array" ? kind.itemType : kind;
    return inner.types ? declared(inner, `${name}.`) : [[name, inner === "number" ? "integer" : inner]];
  });

async function main() {
  const client = new Kms.default(
    new OpenApi.Config({
      accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
      accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
      endpoint: process.env.KMS_ENDPOINT ?? "kms.cn-hangzhou.aliyuncs.com",
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
  const [lacks, answers, refusals] = [[], [], []];
  for (const [action, parameters] of JSON.parse(fs.readFileSync(process.argv[2], "utf-8"))) {
    const method = action[0].toLowerCase() + action.slice(1);
    if (!client[method]) {
      lacks.push(action);
      continue;
    }
    const request = Kms[`${action}Request`];
    const named = {};
    for (const [property, name] of Object.entries(request?.names() ?? {})) {
      if (name in parameters) named[property] = fill(parameters[name]);
    }
    let reply;
    try {
      reply = request ? await client[method](new request(named)) : await client[method]();
    } catch (error) {
      if (!error.data) throw error;
      const { Code, HttpStatus, Message, RequestId } = error.data;
      refusals.push([action, Code, HttpStatus, Message, RequestId]);
      continue;
    }
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
    answers.push([action, body, declared(reply.constructor)]);
  }
  console.log(JSON.stringify([[lacks, answers, refusals]]));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
