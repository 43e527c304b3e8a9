//go:build dist

package release

import _ "embed"

//go:embed embedded/entrypoint-windows-arm64.gz
var entrypointOwn []byte

func own() (system string, packed []byte) { return "windows/arm64", entrypointOwn }
