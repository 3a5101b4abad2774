// Creates a key and an alias, encrypts and decrypts with the vendor's classic Go SDK, and asks who is calling.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"

	"keystead.invalid/interop/told"
)

const plaintext = "a b+c*~é"

func main() {
	pair := []string{os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")}
	client, err := kms.NewClientWithAccessKey("cn-hangzhou", pair[0], pair[1])
	check(err)

	create := kms.CreateCreateKeyRequest()
	direct(create)
	key, err := client.CreateKey(create)
	check(err)

	alias := kms.CreateCreateAliasRequest()
	direct(alias)
	alias.KeyId, alias.AliasName = key.KeyMetadata.KeyId, "alias/Apollo/WorkKey"
	_, err = client.CreateAlias(alias)
	check(err)

	encrypt := kms.CreateEncryptRequest()
	direct(encrypt)
	encrypt.KeyId, encrypt.Plaintext = "alias/Apollo/WorkKey", plaintext
	sealed, err := client.Encrypt(encrypt)
	check(err)

	decrypt := kms.CreateDecryptRequest()
	direct(decrypt)
	decrypt.CiphertextBlob = sealed.CiphertextBlob
	opened, err := client.Decrypt(decrypt)
	check(err)
	if opened.Plaintext != plaintext || opened.KeyId != key.KeyMetadata.KeyId {
		log.Fatalf("decrypted %q under %q", opened.Plaintext, opened.KeyId)
	}

	describe := kms.CreateDescribeKeyRequest()
	direct(describe)
	describe.KeyId = "nowhere"
	_, err = client.DescribeKey(describe)
	if refusal, ok := err.(*errors.ServerError); !ok || refusal.ErrorCode() != "Forbidden.KeyNotFound" {
		log.Fatalf("a key that there is not: %v", err)
	}

	identities, err := sts.NewClientWithAccessKey("cn-hangzhou", pair[0], pair[1])
	check(err)
	ask := sts.CreateGetCallerIdentityRequest()
	direct(ask)
	identity, err := identities.GetCallerIdentity(ask)
	check(err)
	if want := fmt.Sprintf("acs:ram::%s:root", identity.AccountId); identity.AccountId == "" || identity.Arn != want {
		log.Fatalf("called as %q of %q", identity.Arn, identity.AccountId)
	}
	told.Version("github.com/aliyun/alibaba-cloud-sdk-go")
}

// direct chooses HTTPS, since the client's own choice is plain HTTP, and the server of KMS_ENDPOINT, if that is set.
func direct(request requests.AcsRequest) {
	request.SetScheme("https")
	if endpoint := os.Getenv("KMS_ENDPOINT"); endpoint != "" {
		request.SetDomain(endpoint)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
