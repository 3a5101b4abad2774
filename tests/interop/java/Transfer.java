import com.aliyun.kms.KmsTransferAcsClient;
import com.aliyuncs.http.FormatType;

/** The same with the client that moves programs between shared and dedicated KMS: it is given no dedicated instance. */
public class Transfer {
    public static void main(String[] arguments) throws Exception {
        Classic.steps(new KmsTransferAcsClient(Classic.profile()), FormatType.JSON);
        Plan.version("com.aliyun.kms", "kms-transfer-client");
    }
}
