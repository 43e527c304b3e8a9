//go:build dist

package release

import _ "embed"

//go:embed embedded/entrypoint-windows-amd64.gz
var entrypointOwn []byte

func own() (system string, packed []byte) { return "windows/amd64", entrypointOwn }
