// Creates a key and an alias, encrypts and decrypts with the vendor's current Go SDK, by each of its signature schemes.
package main

import (
	"fmt"
	"log"
	"os"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	kms "github.com/alibabacloud-go/kms-20160120/v3/client"
	"github.com/alibabacloud-go/tea/tea"

	"keystead.invalid/interop/told"
)

const plaintext = "a b+c*~é"

func main() {
	for number, scheme := range []struct{ version, algorithm string }{
		{"", ""},
		{"", "ACS3-HMAC-SM3"},
		{"", "v2"},
		{"v4", ""},
		{"v4", "ACS4-HMAC-SM3"},
	} {
		config := &openapi.Config{
			AccessKeyId:     tea.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")),
			AccessKeySecret: tea.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")),
			RegionId:        tea.String("cn-hangzhou"),
		}
		if endpoint := os.Getenv("KMS_ENDPOINT"); endpoint != "" {
			config.Endpoint = &endpoint
		}
		if scheme.version != "" {
			config.SignatureVersion = tea.String(scheme.version)
		}
		if scheme.algorithm != "" {
			config.SignatureAlgorithm = tea.String(scheme.algorithm)
		}
		if err := roundTrip(config, fmt.Sprintf("alias/Apollo/%d", number)); err != nil {
			log.Fatalf("%+v: %v", scheme, err)
		}
	}
	told.Version("github.com/alibabacloud-go/kms-20160120/v3")
}

func roundTrip(config *openapi.Config, alias string) error {
	client, err := kms.NewClient(config)
	if err != nil {
		return err
	}
	key, err := client.CreateKey(&kms.CreateKeyRequest{})
	if err != nil {
		return err
	}
	keyId := key.Body.KeyMetadata.KeyId
	if _, err = client.CreateAlias(&kms.CreateAliasRequest{AliasName: &alias, KeyId: keyId}); err != nil {
		return err
	}
	context := map[string]any{"app": "é"}
	sealed, err := client.Encrypt(
		&kms.EncryptRequest{KeyId: &alias, Plaintext: tea.String(plaintext), EncryptionContext: context})
	if err != nil {
		return err
	}
	opened, err := client.Decrypt(
		&kms.DecryptRequest{CiphertextBlob: sealed.Body.CiphertextBlob, EncryptionContext: context})
	if err != nil {
		return err
	}
	if *opened.Body.Plaintext != plaintext || *opened.Body.KeyId != *keyId {
		return fmt.Errorf("decrypted %s", opened.Body)
	}
	_, err = client.DescribeKey(&kms.DescribeKeyRequest{KeyId: tea.String("nowhere")})
	if refusal, ok := err.(*tea.SDKError); !ok || *refusal.Code != "Forbidden.KeyNotFound" {
		return fmt.Errorf("a key that there is not: %w", err)
	}
	return nil
}
