package config

import (
	"io"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// File is a parsed waypoint.hcl.
type File struct {
	// Name is as given to Parse or Load; diagnostics show it.
	Name string
}

type scope struct{}
type appDecl struct{}
type useDecl struct{}

// Parse reads the structure of a file and checks all that can be checked without values.
// It never returns nil; with errors, the file holds what could be read.
func Parse(src []byte, filename string) (*File, hcl.Diagnostics) {
	return &File{Name: filename}, nil
}

// Load is Parse of a file on disk.
func Load(path string) (*File, hcl.Diagnostics) { return Parse(nil, path) }

// Variables lists the declared variables in the order of the file.
func (f *File) Variables() []*VariableDecl { return nil }

// FindAutoFiles lists *.auto.wpvars and *.auto.wpvars.json in dir, in lexical order.
func FindAutoFiles(dir string) ([]string, error) { return nil, nil }

// LoadVarFile reads a .wpvars or .json file of values.
func LoadVarFile(path string, source VarSource) ([]VarInput, hcl.Diagnostics) { return nil, nil }

// VarsFromEnv reads the values that an environment ("NAME=value", as of os.Environ) has for declared variables.
func (f *File) VarsFromEnv(environ []string, source VarSource) []VarInput { return nil }

// ParseVarFlag reads the argument of -var: "name=value".
func ParseVarFlag(arg string) (VarInput, error) { return VarInput{}, nil }

// Render writes diagnostics for people: file:line:column, snippet, caret, hint. f may be nil.
func Render(w io.Writer, f *File, diags hcl.Diagnostics, color bool) {}

// RenderJSON writes diagnostics as one JSON object.
func RenderJSON(w io.Writer, f *File, diags hcl.Diagnostics) error { return nil }

func (f *File) project(in Input) (*Project, hcl.Diagnostics)                 { return &Project{}, nil }
func (a *App) stage(kind StageKind, in StageInput) (*Stage, hcl.Diagnostics) { return nil, nil }
func (s *Stage) decode(target any) hcl.Diagnostics                           { return nil }
func (a *App) configEntries() ([]ConfigEntry, hcl.Diagnostics)               { return nil, nil }
func (p *Project) configEntries() ([]ConfigEntry, hcl.Diagnostics)           { return nil, nil }
func (f *File) resolveVars(given []VarInput, in Input) (map[string]cty.Value, []VarUsed, hcl.Diagnostics) {
	return nil, nil, nil
}
