// Package told is what the programs here say of themselves.
package told

import (
	"encoding/json"
	"log"
	"os"
	"runtime/debug"
)

// Version prints the version of a module that this program was built with, as JSON.
func Version(module string) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		log.Fatal("the program was built without modules")
	}
	for _, one := range build.Deps {
		if one.Path == module {
			if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"version": one.Version[1:]}); err != nil {
				log.Fatal(err)
			}
			return
		}
	}
	log.Fatalf("the program was built without %s", module)
}
