//go:build dist

package release

import _ "embed"

//go:embed embedded/entrypoint-darwin-arm64.gz
var entrypointOwn []byte

func own() (system string, packed []byte) { return "darwin/arm64", entrypointOwn }
