// Package awsssm is the plugin "aws-ssm": configuration from the parameter store of AWS Systems Manager.
package awsssm

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config is what dynamic("aws-ssm", {…}) takes.
type Config struct {
	// Name of the parameter, with its path. What is encrypted is decrypted.
	Path string `hcl:"path"`
}

// Source is what can be set for the source.
type Source struct {
	// AWS region of the parameters.
	Region string `hcl:"region,optional" default:"that of the AWS configuration"`
	// Access key id.
	AccessKey string `hcl:"access_key,optional" default:"that of the AWS configuration"`
	// Secret access key.
	SecretKey string `hcl:"secret_key,optional" default:"that of the AWS configuration"`
	// Session token of temporary keys.
	Token string `hcl:"token,optional"`
	// Profile of the AWS configuration.
	Profile string `hcl:"profile,optional" default:"AWS_PROFILE"`
	// ARN of an IAM role to take on.
	AssumeRoleARN string `hcl:"assume_role_arn,optional"`
	// Seconds for which the role is taken on.
	AssumeRoleDurationSeconds int `hcl:"assume_role_duration_seconds,optional" default:"3600"`
	// External id that the role asks for.
	AssumeRoleExternalID string `hcl:"assume_role_external_id,optional"`
	// Session policy, as JSON: it makes the role's rights fewer.
	AssumeRolePolicy string `hcl:"assume_role_policy,optional"`
	// Name of the session.
	AssumeRoleSessionName string `hcl:"assume_role_session_name,optional" default:"waypoint"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-ssm",
		Summary: "Read configuration from the parameter store of AWS Systems Manager.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.ConfigSourcer, Summary: "Reads parameters, decrypted.",
			Config: schema.New[Config], Source: schema.New[Source],
		}},
	}
}
