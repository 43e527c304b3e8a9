package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// VarSource says where a variable's value came from. Larger wins.
type VarSource int

// Sources, lowest precedence first.
const (
	SourceDefault   VarSource = iota // the declaration
	SourceDynamic                    // a dynamic default, fetched by the runner
	SourceServer                     // stored with the project on the server
	SourceRunnerEnv                  // the runner's environment: WP_VAR_name, else the names in `env`
	SourceAutoFile                   // *.auto.wpvars and *.auto.wpvars.json beside waypoint.hcl
	SourceEnv                        // the caller's environment: WP_VAR_name
	SourceFile                       // -var-file
	SourceFlag                       // -var
)

// String is the word that people see: "default", "env", …
func (s VarSource) String() string {
	names := [...]string{"default", "dynamic", "server", "runner env", "auto file", "env", "file", "flag"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// VarInput is one value given for a variable.
type VarInput struct {
	Name string
	// Value is text as a flag or an environment variable has it: taken as it is for string variables, as a number or
	// bool for those, else parsed as an HCL expression. Typed, if it is not cty.NilVal, is used instead.
	Value string
	Typed cty.Value
	// Source orders the inputs; among equals the later one wins.
	Source VarSource
	// Origin is what people see: the file's path, the environment variable's name, "-var".
	Origin string
	// Range is where it stands in Origin, if that is a file.
	Range hcl.Range
}

// VarUsed is one row of the "variables used" table.
type VarUsed struct {
	Name string
	// Value is the final value as HCL text; empty if Sensitive.
	Value string
	// Type in HCL's words: "string", "list(string)".
	Type      string
	Source    VarSource
	Origin    string
	Sensitive bool
}

// VariableDecl is a declared input variable.
type VariableDecl struct {
	Name        string
	Description string
	// Type is cty.DynamicPseudoType for `any` and for a missing type.
	Type cty.Type
	// HasDefault says whether a value may be left out.
	HasDefault bool
	// Default is the default's expression; nil without one.
	Default hcl.Expression
	// Env are environment variables of the runner that give the value.
	Env       []string
	Sensitive bool
	Range     hcl.Range

	typeGiven bool
	dynamic   bool
}

// IsDynamic says whether the default is dynamic(…), which only a runner can fetch.
func (v *VariableDecl) IsDynamic() bool { return v.dynamic }

// ResolveVars picks and converts the value of each declared variable. in's Workspace and directories are known to
// defaults. Sensitive values come back marked; pass the map on as Input.Vars.
//
// A value for an undeclared name is an error, but for the environment's. A declared variable without value or
// default is an error.
func (f *File) ResolveVars(given []VarInput, in Input) (map[string]cty.Value, []VarUsed, hcl.Diagnostics) {
	return f.resolveVars(given, in)
}
