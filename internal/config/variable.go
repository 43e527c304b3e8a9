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

	SourceNone VarSource = -1 // in a preview: nothing here gives a value, the server or the runner may
)

// String is the word that people see: "default", "env", …
func (s VarSource) String() string {
	if s == SourceNone {
		return "not known here"
	}
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
	// Sensitive keeps the value secret even if the variable's declaration does not.
	Sensitive bool
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
