// Package awsec2 is the plugin "aws-ec2": a platform that runs machine images as instances of an Auto Scaling group of
// Amazon EC2.
package awsec2

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// AWS region of the instances.
	Region string `hcl:"region"`
	// Type of the instances, for example "t4g.small".
	InstanceType string `hcl:"instance_type"`
	// Port that the app listens on.
	ServicePort int `hcl:"service_port"`
	// How many instances there are.
	Count *Count `hcl:"count,block"`
	// Name of the key pair for SSH.
	Key string `hcl:"key,optional"`
	// Further ports of the instances to open.
	ExtraPorts []int `hcl:"extra_ports,optional"`
	// Ids of the instances' security groups.
	SecurityGroups []string `hcl:"security_groups,optional" default:"one is made"`
	// Id of the subnet that the instances run in.
	Subnet string `hcl:"subnet,optional" default:"one of the default VPC"`
}

// Count says how many instances there are.
type Count struct {
	// How many there should be.
	Desired int64 `hcl:"desired,optional" default:"1"`
	// How many there are at most.
	Max int64 `hcl:"max,optional" default:"desired"`
	// How many there are at least.
	Min int64 `hcl:"min,optional" default:"desired"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Public address of an instance.
	PublicIP string `hcl:"public_ip"`
	// Public host name of an instance.
	PublicDNS string `hcl:"public_dns"`
	// AWS region of the instances.
	Region string `hcl:"region"`
	// Name of the Auto Scaling group.
	ServiceName string `hcl:"service_name"`
	// ARN of the target group that leads to the instances; for the releaser aws-alb.
	TargetGroupARN string `hcl:"target_group_arn"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-ec2",
		Summary: "Run machine images as instances of Amazon EC2.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Runs a machine image as an Auto Scaling group.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
