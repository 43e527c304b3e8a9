// Package awsalb is the plugin "aws-alb": a releaser that leads an Application Load Balancer of AWS to the target group of
// a deployment on EC2 or Lambda.
package awsalb

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the releaser.
type Config struct {
	// Name of the load balancer. It is made if it is not there.
	Name string `hcl:"name,optional" default:"made from the app's name"`
	// Port that the load balancer listens on.
	Port int `hcl:"port,optional" default:"443 with a certificate, else 80"`
	// Ids of the load balancer's subnets, in two availability zones at least.
	Subnets []string `hcl:"subnets,optional" default:"those of the default VPC"`
	// ARN of a certificate of AWS Certificate Manager. With it the app is served by HTTPS.
	Certificate string `hcl:"certificate,optional"`
	// Id of the Route 53 zone that domain_name is written to.
	ZoneID string `hcl:"zone_id,optional"`
	// Host name of the app; with zone_id.
	DomainName string `hcl:"domain_name,optional"`
	// ARN of a listener that is there already; its default action is what releases change.
	ListenerARN string `hcl:"listener_arn,optional" default:"one is made"`
	// Ids of the load balancer's security groups.
	SecurityGroupIDs []string `hcl:"security_group_ids,optional" default:"one is made"`
}

// Output is what is seen of a release.
type Output struct {
	// Address of the app.
	URL string `hcl:"url"`
	// ARN of the load balancer.
	LoadBalancerARN string `hcl:"load_balancer_arn"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-alb",
		Summary: "Lead a load balancer of AWS to deployments on EC2 or Lambda.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Releaser, Summary: "Moves the traffic of an Application Load Balancer to a deployment.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
