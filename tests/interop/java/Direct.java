import com.aliyun.auth.credentials.Credential;
import com.aliyun.auth.credentials.provider.StaticCredentialProvider;
import com.aliyun.kms20160120.Client;
import com.aliyun.sdk.service.kms20160120.AsyncClient;
import com.aliyun.sdk.service.kms20160120.models.ListKeysRequest;
import com.aliyuncs.DefaultAcsClient;
import darabonba.core.client.ClientOverrideConfiguration;

/** Without `keystead run`: each client is told where the server is, HOST:PORT, and Java whom to trust. */
public class Direct {
    public static void main(String[] arguments) throws Exception {
        String server = arguments[0];

        com.aliyuncs.kms.model.v20160120.ListKeysRequest classic =
            new com.aliyuncs.kms.model.v20160120.ListKeysRequest();
        classic.setSysEndpoint(server);
        new DefaultAcsClient(Classic.profile()).getAcsResponse(classic);
        Plan.done("classic");

        new Client(Tea.config().setEndpoint(server)).listKeys(new com.aliyun.kms20160120.models.ListKeysRequest());
        Plan.done("tea");

        StaticCredentialProvider credentials = StaticCredentialProvider.create(Credential.builder()
            .accessKeyId(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"))
            .accessKeySecret(System.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
            .build());
        try (AsyncClient client = AsyncClient.builder()
            .region("cn-hangzhou")
            .credentialsProvider(credentials)
            .overrideConfiguration(ClientOverrideConfiguration.create().setEndpointOverride(server))
            .build()) {
            client.listKeys(ListKeysRequest.builder().build()).get();
        }
        Plan.done("async");
    }
}
