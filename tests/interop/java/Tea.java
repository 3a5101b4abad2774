import com.aliyun.kms20160120.Client;
import com.aliyun.kms20160120.models.*;
import com.aliyun.tea.TeaException;
import com.aliyun.teaopenapi.models.Config;
import java.util.Collections;
import java.util.Map;

/** The guide's steps with kms20160120, which is made with Tea; an argument is one more signature algorithm, or `v4`. */
public class Tea {
    public static void main(String[] arguments) throws Exception {
        steps(new Client(config()));
        for (String scheme : arguments) {
            boolean version = scheme.equals("v4");
            steps(new Client(version ? config().setSignatureVersion(scheme) : config().setSignatureAlgorithm(scheme)));
        }
        Plan.version("com.aliyun", "kms20160120");
    }

    static Config config() {
        return new Config()
            .setAccessKeyId(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"))
            .setAccessKeySecret(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
            .setRegionId("cn-hangzhou");
    }

    static void steps(Client client) throws Exception {
        String key = client.createKey(new CreateKeyRequest().setDescription(Plan.TEXT))
            .getBody().getKeyMetadata().getKeyId();
        Plan.done("CreateKey");

        String alias = Plan.alias("tea", key);
        client.createAlias(new CreateAliasRequest().setAliasName(alias).setKeyId(key));
        Plan.done("CreateAlias");

        Map<String, String> context = Collections.singletonMap("app", "é");
        String blob = client.encrypt(
            new EncryptRequest().setKeyId(alias).setPlaintext(Plan.TEXT).setEncryptionContext(context))
            .getBody().getCiphertextBlob();
        Plan.done("Encrypt");
        Plan.same(Plan.TEXT, client.decrypt(
            new DecryptRequest().setCiphertextBlob(blob).setEncryptionContext(context)).getBody().getPlaintext());
        Plan.done("Decrypt");

        GenerateDataKeyResponseBody made =
            client.generateDataKey(new GenerateDataKeyRequest().setKeyId(alias)).getBody();
        Plan.same(made.getPlaintext(), client.decrypt(
            new DecryptRequest().setCiphertextBlob(made.getCiphertextBlob())).getBody().getPlaintext());
        Plan.done("GenerateDataKey");

        String signer = client.createKey(new CreateKeyRequest().setKeySpec("EC_P256").setKeyUsage("SIGN/VERIFY"))
            .getBody().getKeyMetadata().getKeyId();
        String version = client.listKeyVersions(new ListKeyVersionsRequest().setKeyId(signer))
            .getBody().getKeyVersions().getKeyVersion().get(0).getKeyVersionId();
        String value = client.asymmetricSign(new AsymmetricSignRequest().setKeyId(signer).setKeyVersionId(version)
            .setAlgorithm("ECDSA_SHA_256").setDigest(Plan.DIGEST)).getBody().getValue();
        Plan.done("AsymmetricSign");
        Plan.verify(client.getPublicKey(new GetPublicKeyRequest().setKeyId(signer).setKeyVersionId(version))
            .getBody().getPublicKey(), value);
        Plan.done("GetPublicKey");

        try {
            client.describeKey(new DescribeKeyRequest().setKeyId("nowhere"));
        } catch (TeaException error) {
            Plan.done("DescribeKey " + error.getCode());
        }
    }
}
