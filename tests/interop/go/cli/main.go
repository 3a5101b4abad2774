// Makes the calls that the vendor's command line makes, as it makes them: it is a program, not a module that can be required.
//
// `aliyun configure` ends by asking who is calling. `aliyun kms …` and `aliyun sts …` ask the location service for the
// endpoint, fall back to the one that they know, and send a common request. With `--endpoint` they ask nobody.
package main

import (
	"encoding/json"
	"log"
	"os"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	util "github.com/alibabacloud-go/tea-utils/v2/service"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/endpoints"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"

	"keystead.invalid/interop/told"
)

const (
	plaintext = "a b+c*~é"
	region    = "cn-hangzhou"
)

type product struct{ code, version, endpoint string }

var (
	kms = product{"Kms", "2016-01-20", "kms." + region + ".aliyuncs.com"}
	sts = product{"Sts", "2015-04-01", "sts.aliyuncs.com"}
)

var direct = os.Getenv("KMS_ENDPOINT")

func main() {
	account := configure("sts.aliyuncs.com")
	if account != configure("sts."+region+".aliyuncs.com") {
		log.Fatal("the regional endpoint knows another account")
	}
	if identity := call(sts, "GetCallerIdentity", nil); identity["Arn"] != "acs:ram::"+account+":root" {
		log.Fatalf("called as %v", identity)
	}
	key := call(kms, "CreateKey", nil)["KeyMetadata"].(map[string]any)
	call(kms, "CreateAlias", map[string]string{"KeyId": key["KeyId"].(string), "AliasName": "alias/Apollo/WorkKey"})
	sealed := call(kms, "Encrypt", map[string]string{"KeyId": "alias/Apollo/WorkKey", "Plaintext": plaintext})
	opened := call(kms, "Decrypt", map[string]string{"CiphertextBlob": sealed["CiphertextBlob"].(string)})
	if opened["Plaintext"] != plaintext {
		log.Fatalf("decrypted %v", opened)
	}
	told.Version("github.com/aliyun/alibaba-cloud-sdk-go")
}

// configure asks who is calling and gives the account.
func configure(endpoint string) string {
	if direct != "" {
		endpoint = direct
	}
	client, err := openapi.NewClient(&openapi.Config{
		AccessKeyId:     tea.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")),
		AccessKeySecret: tea.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")),
		Endpoint:        tea.String(endpoint),
		UserAgent:       tea.String("Aliyun-CLI/3"),
	})
	check(err)
	answer, err := client.CallApi(&openapi.Params{
		Action: tea.String("GetCallerIdentity"), Version: tea.String(sts.version), Protocol: tea.String("HTTPS"),
		Method: tea.String("POST"), AuthType: tea.String("AK"), Style: tea.String("RPC"), Pathname: tea.String("/"),
		ReqBodyType: tea.String("json"), BodyType: tea.String("json"),
	}, &openapi.OpenApiRequest{}, &util.RuntimeOptions{})
	check(err)
	return answer["body"].(map[string]any)["AccountId"].(string)
}

func call(of product, action string, parameters map[string]string) map[string]any {
	pair := credentials.NewAccessKeyCredential(
		os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
	client, err := sdk.NewClientWithOptions(region, sdk.NewConfig(), pair)
	check(err)
	client.AppendUserAgent("Aliyun-CLI", "3")
	request := requests.NewCommonRequest()
	request.Product, request.Version, request.ApiName, request.RegionId = of.code, of.version, action, region
	request.Scheme, request.Method = "https", "POST"
	if request.Domain = direct; direct == "" {
		request.Domain = resolve(of, client)
	}
	for name, value := range parameters {
		request.QueryParams[name] = value
	}
	answer, err := client.ProcessCommonRequest(request)
	check(err)
	var members map[string]any
	check(json.Unmarshal(answer.GetHttpContentBytes(), &members))
	return members
}

func resolve(of product, client *sdk.Client) string {
	endpoint, err := endpoints.Resolve(&endpoints.ResolveParam{
		Product: of.code, RegionId: region, LocationProduct: of.code, LocationEndpointType: "openAPI",
		CommonApi: client.ProcessCommonRequest,
	})
	if err != nil {
		return of.endpoint
	}
	return endpoint
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
