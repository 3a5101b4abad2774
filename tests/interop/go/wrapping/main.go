// Wraps and unwraps as the seals of Vault and OpenBao do, under the key of its one argument.
package main

import (
	"bytes"
	"context"
	"log"
	"os"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/wrappers/alicloudkms/v2"

	"keystead.invalid/interop/told"
)

func main() {
	ctx := context.Background()
	wrapper := alicloudkms.NewWrapper()
	_, err := wrapper.SetConfig(ctx, wrapping.WithKeyId(os.Args[1]))
	check(err)
	for _, plaintext := range [][]byte{[]byte("a root key"), bytes.Repeat([]byte("0123456789abcdef"), 4096)} {
		sealed, err := wrapper.Encrypt(ctx, plaintext, wrapping.WithAad([]byte("seal")))
		check(err)
		opened, err := wrapper.Decrypt(ctx, sealed, wrapping.WithAad([]byte("seal")))
		check(err)
		if !bytes.Equal(opened, plaintext) {
			log.Fatal("unwrapped something else than was wrapped")
		}
	}
	told.Version("github.com/hashicorp/go-kms-wrapping/wrappers/alicloudkms/v2")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
