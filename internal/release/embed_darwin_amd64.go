//go:build dist

package release

import _ "embed"

//go:embed embedded/entrypoint-darwin-amd64.gz
var entrypointOwn []byte

func own() (system string, packed []byte) { return "darwin/amd64", entrypointOwn }
