//go:build dist

package release

import _ "embed"

// `make dist` writes these files before it compiles; without them a build with the tag `dist` does not compile.
var (
	//go:embed embedded/function-amd64.zip
	functionAMD64 []byte
	//go:embed embedded/function-arm64.zip
	functionARM64 []byte
	//go:embed embedded/entrypoint-linux-amd64.gz
	entrypointLinuxAMD64 []byte
	//go:embed embedded/entrypoint-linux-arm64.gz
	entrypointLinuxARM64 []byte
)

func functions() map[string][]byte {
	return map[string][]byte{"amd64": functionAMD64, "arm64": functionARM64}
}

func entrypoints() map[string][]byte {
	all := map[string][]byte{"linux/amd64": entrypointLinuxAMD64, "linux/arm64": entrypointLinuxARM64}
	if system, packed := own(); system != "" {
		all[system] = packed
	}
	return all
}
