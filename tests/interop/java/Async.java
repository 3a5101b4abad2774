import com.aliyun.auth.credentials.Credential;
import com.aliyun.auth.credentials.provider.StaticCredentialProvider;
import com.aliyun.sdk.gateway.pop.exception.PopClientException;
import com.aliyun.sdk.service.kms20160120.AsyncClient;
import com.aliyun.sdk.service.kms20160120.models.*;
import java.util.Collections;
import java.util.Map;
import java.util.concurrent.ExecutionException;

/** The guide's steps with alibabacloud-kms20160120. */
public class Async {
    public static void main(String[] arguments) throws Exception {
        StaticCredentialProvider credentials = StaticCredentialProvider.create(Credential.builder()
            .accessKeyId(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"))
            .accessKeySecret(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
            .build());
        try (AsyncClient client =
            AsyncClient.builder().region("cn-hangzhou").credentialsProvider(credentials).build()) {
            steps(client);
        }
        Plan.version("com.aliyun", "alibabacloud-kms20160120");
    }

    static void steps(AsyncClient client) throws Exception {
        String key = client.createKey(CreateKeyRequest.builder().description(Plan.TEXT).build())
            .get().getBody().getKeyMetadata().getKeyId();
        Plan.done("CreateKey");

        String alias = Plan.alias("async", key);
        client.createAlias(CreateAliasRequest.builder().aliasName(alias).keyId(key).build()).get();
        Plan.done("CreateAlias");

        Map<String, String> context = Collections.singletonMap("app", "é");
        String blob = client.encrypt(
            EncryptRequest.builder().keyId(alias).plaintext(Plan.TEXT).encryptionContext(context).build())
            .get().getBody().getCiphertextBlob();
        Plan.done("Encrypt");
        Plan.same(Plan.TEXT, client.decrypt(
            DecryptRequest.builder().ciphertextBlob(blob).encryptionContext(context).build())
            .get().getBody().getPlaintext());
        Plan.done("Decrypt");

        GenerateDataKeyResponseBody made =
            client.generateDataKey(GenerateDataKeyRequest.builder().keyId(alias).build()).get().getBody();
        Plan.same(made.getPlaintext(), client.decrypt(
            DecryptRequest.builder().ciphertextBlob(made.getCiphertextBlob()).build())
            .get().getBody().getPlaintext());
        Plan.done("GenerateDataKey");

        String signer = client.createKey(
            CreateKeyRequest.builder().keySpec("EC_P256").keyUsage("SIGN/VERIFY").build())
            .get().getBody().getKeyMetadata().getKeyId();
        String version = client.listKeyVersions(ListKeyVersionsRequest.builder().keyId(signer).build())
            .get().getBody().getKeyVersions().getKeyVersion().get(0).getKeyVersionId();
        String value = client.asymmetricSign(AsymmetricSignRequest.builder().keyId(signer).keyVersionId(version)
            .algorithm("ECDSA_SHA_256").digest(Plan.DIGEST).build()).get().getBody().getValue();
        Plan.done("AsymmetricSign");
        Plan.verify(client.getPublicKey(
            GetPublicKeyRequest.builder().keyId(signer).keyVersionId(version).build())
            .get().getBody().getPublicKey(), value);
        Plan.done("GetPublicKey");

        try {
            client.describeKey(DescribeKeyRequest.builder().keyId("nowhere").build()).get();
        } catch (ExecutionException error) {
            Plan.done("DescribeKey " + ((PopClientException) error.getCause()).getErrCode());
        }
    }
}
