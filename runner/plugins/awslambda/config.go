// Package awslambda is the plugin "aws-lambda": a platform that runs images as functions of AWS Lambda. A deployment is a
// version of the function.
package awslambda

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// AWS region of the function.
	Region string `hcl:"region,optional" default:"that of the AWS configuration"`
	// ARN of the IAM role that the function has.
	IAMRole string `hcl:"iam_role,optional" default:"one is made that may write logs"`
	// Memory of the function, in MB. CPU grows with it.
	Memory int `hcl:"memory,optional" default:"256"`
	// Seconds that a call may take, 900 at most.
	Timeout int `hcl:"timeout,optional" default:"60"`
	// Processor of the function: "x86_64" or "arm64". The image must be for it.
	Architecture string `hcl:"architecture,optional" default:"that of the image, else x86_64"`
	// Disk of the function below /tmp, in MB, from 512 to 10240.
	StorageMB int `hcl:"storagemb,optional" default:"512"`
	// Environment variables of the function. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// ARN of the function.
	FuncARN string `hcl:"func_arn"`
	// ARN of the version that was deployed.
	VerARN string `hcl:"ver_arn"`
	// Number of the version that was deployed.
	Version string `hcl:"version"`
	// AWS region of the function.
	Region string `hcl:"region"`
	// ARN of a target group that leads to the version; for the releaser aws-alb.
	TargetGroupARN string `hcl:"target_group_arn"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-lambda",
		Summary: "Run images as functions of AWS Lambda.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Makes a version of a Lambda function from an image in Amazon ECR.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
