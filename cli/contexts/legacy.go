package contexts

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// LegacyContext is the content of a context file of HashiCorp Waypoint.
type LegacyContext struct {
	Name, Path, Address string
}

// LoadLegacy loads one, without its token.
func (s Store) LoadLegacy(name string) (LegacyContext, error) {
	if err := CheckName(name); err != nil {
		return LegacyContext{}, err
	}
	c := LegacyContext{Name: name, Path: filepath.Join(s.Dir, name+".hcl")}
	data, err := os.ReadFile(c.Path)
	if err != nil {
		return c, fmt.Errorf("reading the context %q: %w", name, err)
	}
	// The file holds `server { address = "host:9701" … }`. One attribute is all that is wanted of it, so no HCL parser
	// is brought in; a file that looks otherwise has an unknown address.
	address := regexp.MustCompile(`(?m)^\s*address\s*=\s*"([^"\n]*)"`)
	if m := address.FindSubmatch(data); m != nil {
		c.Address = string(m[1])
	}
	return c, nil
}
