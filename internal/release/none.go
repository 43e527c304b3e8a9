//go:build !dist

package release

// Only a build with the tag `dist` carries anything.
func functions() map[string][]byte { return nil }

func entrypoints() map[string][]byte { return nil }
