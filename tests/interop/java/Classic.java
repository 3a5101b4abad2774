import com.aliyuncs.AcsRequest;
import com.aliyuncs.AcsResponse;
import com.aliyuncs.DefaultAcsClient;
import com.aliyuncs.IAcsClient;
import com.aliyuncs.endpoint.LocationServiceEndpointResolver;
import com.aliyuncs.endpoint.ResolveEndpointRequest;
import com.aliyuncs.exceptions.ClientException;
import com.aliyuncs.http.FormatType;
import com.aliyuncs.kms.model.v20160120.*;
import com.aliyuncs.profile.DefaultProfile;
import com.aliyuncs.profile.IClientProfile;

/** The guide's steps with aliyun-java-sdk-core and aliyun-java-sdk-kms. */
public class Classic {
    static IClientProfile profile() {
        return DefaultProfile.getProfile(
            "cn-hangzhou",
            System.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"),
            System.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"));
    }

    public static void main(String[] arguments) throws Exception {
        DefaultAcsClient client = new DefaultAcsClient(profile());
        steps(client, FormatType.JSON);
        steps(client, FormatType.XML);
        LocationServiceEndpointResolver location = new LocationServiceEndpointResolver(client);
        for (String code : new String[] {"kms", "sts", "ram"}) {
            Plan.done("DescribeEndpoints "
                + location.resolve(new ResolveEndpointRequest("cn-beijing", code, code, "openAPI")));
        }
        Plan.version("com.aliyun", "aliyun-java-sdk-kms");
    }

    static void steps(IAcsClient client, FormatType format) throws Exception {
        CreateKeyRequest create = new CreateKeyRequest();
        create.setDescription(Plan.TEXT);
        String key = call(client, create, format).getKeyMetadata().getKeyId();
        Plan.done("CreateKey");

        String alias = Plan.alias("classic", key);
        CreateAliasRequest named = new CreateAliasRequest();
        named.setAliasName(alias);
        named.setKeyId(key);
        call(client, named, format);
        Plan.done("CreateAlias");

        EncryptRequest encrypt = new EncryptRequest();
        encrypt.setKeyId(alias);
        encrypt.setPlaintext(Plan.TEXT);
        encrypt.setEncryptionContext(Plan.CONTEXT);
        String blob = call(client, encrypt, format).getCiphertextBlob();
        Plan.done("Encrypt");

        DecryptRequest decrypt = new DecryptRequest();
        decrypt.setCiphertextBlob(blob);
        decrypt.setEncryptionContext(Plan.CONTEXT);
        Plan.same(Plan.TEXT, call(client, decrypt, format).getPlaintext());
        Plan.done("Decrypt");

        GenerateDataKeyRequest generate = new GenerateDataKeyRequest();
        generate.setKeyId(alias);
        GenerateDataKeyResponse made = call(client, generate, format);
        DecryptRequest open = new DecryptRequest();
        open.setCiphertextBlob(made.getCiphertextBlob());
        Plan.same(made.getPlaintext(), call(client, open, format).getPlaintext());
        Plan.done("GenerateDataKey");

        CreateKeyRequest pair = new CreateKeyRequest();
        pair.setKeySpec("EC_P256");
        pair.setKeyUsage("SIGN/VERIFY");
        String signer = call(client, pair, format).getKeyMetadata().getKeyId();
        ListKeyVersionsRequest list = new ListKeyVersionsRequest();
        list.setKeyId(signer);
        String version = call(client, list, format).getKeyVersions().get(0).getKeyVersionId();
        AsymmetricSignRequest sign = new AsymmetricSignRequest();
        sign.setKeyId(signer);
        sign.setKeyVersionId(version);
        sign.setAlgorithm("ECDSA_SHA_256");
        sign.setDigest(Plan.DIGEST);
        String value = call(client, sign, format).getValue();
        Plan.done("AsymmetricSign");

        GetPublicKeyRequest publish = new GetPublicKeyRequest();
        publish.setKeyId(signer);
        publish.setKeyVersionId(version);
        Plan.verify(call(client, publish, format).getPublicKey(), value);
        Plan.done("GetPublicKey");

        DescribeKeyRequest describe = new DescribeKeyRequest();
        describe.setKeyId("nowhere");
        try {
            call(client, describe, format);
        } catch (ClientException error) {
            Plan.done("DescribeKey " + error.getErrCode());
        }
    }

    static <T extends AcsResponse> T call(IAcsClient client, AcsRequest<T> request, FormatType format)
        throws ClientException {
        request.setAcceptFormat(format);
        return client.getAcsResponse(request);
    }
}
