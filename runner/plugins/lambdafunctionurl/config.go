// Package lambdafunctionurl is the plugin "lambda-function-url": a releaser that gives a function of AWS Lambda a URL, and
// moves it from version to version.
package lambdafunctionurl

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the releaser.
type Config struct {
	// Who may call the URL: "NONE" for everybody, "AWS_IAM" for callers who sign their requests.
	AuthType string `hcl:"auth_type,optional" default:"NONE"`
	// AWS account or principal that may call it; with AWS_IAM.
	Principal string `hcl:"principal,optional" default:"*"`
	// Which other sites' pages may call the URL.
	Cors *Cors `hcl:"cors,block"`
}

// Cors says which other sites' pages may call the URL, in the words of the Fetch standard.
type Cors struct {
	// Whether cookies and authorization may be sent.
	AllowCredentials bool `hcl:"allow_credentials,optional"`
	// Headers that may be sent.
	AllowHeaders []string `hcl:"allow_headers,optional"`
	// Methods that may be used.
	AllowMethods []string `hcl:"allow_methods,optional"`
	// Origins of the pages, for example "https://www.example.com".
	AllowOrigins []string `hcl:"allow_origins,optional"`
	// Headers of the answer that pages may read.
	ExposeHeaders []string `hcl:"expose_headers,optional"`
	// Seconds for which browsers may remember these rules.
	MaxAge int64 `hcl:"max_age,optional" default:"0"`
}

// Output is what is seen of a release.
type Output struct {
	// URL of the function.
	URL string `hcl:"url"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "lambda-function-url",
		Summary: "Give a function of AWS Lambda a URL.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Releaser, Summary: "Moves a function's URL to the version that a deployment made.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
