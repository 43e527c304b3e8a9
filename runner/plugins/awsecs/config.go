// Package awsecs is the plugin "aws-ecs": apps that run as services of Amazon ECS behind an Application Load Balancer,
// on Fargate or on EC2 instances, and tasks that run there.
package awsecs

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// PlatformConfig configures the platform.
type PlatformConfig struct {
	// Name of the ECS cluster. It is made if it is not there.
	Cluster string `hcl:"cluster,optional" default:"waypoint"`
	// AWS region.
	Region string `hcl:"region,optional" default:"that of the AWS configuration"`
	// Ids of the subnets that tasks run in.
	Subnets []string `hcl:"subnets,optional" default:"those of the default VPC"`
	// Ids of the security groups of the tasks. They must let the load balancer reach service_port.
	SecurityGroupIDs []string `hcl:"security_group_ids,optional" default:"one is made"`
	// Name of the IAM role with which ECS pulls the image, reads secrets and writes logs.
	ExecutionRoleName string `hcl:"execution_role_name,optional" default:"one is made"`
	// Name of the IAM role that the app has.
	TaskRoleName string `hcl:"task_role_name,optional" default:"none, or one is made for task_role_policy_arns"`
	// ARNs of IAM policies for the role that the app has.
	TaskRolePolicyARNs []string `hcl:"task_role_policy_arns,optional"`
	// Number of tasks.
	Count int `hcl:"count,optional" default:"1"`
	// Memory of a task, in MiB. Fargate takes certain pairs of memory and cpu only.
	Memory int `hcl:"memory,optional" default:"512"`
	// Memory that the container is promised, in MiB; for EC2.
	MemoryReservation int `hcl:"memory_reservation,optional"`
	// CPU of a task, in units of 1/1024 of a vCPU.
	CPU int `hcl:"cpu,optional" default:"the smallest that Fargate takes with memory"`
	// Processor of the tasks: "x86_64" or "arm64".
	Architecture string `hcl:"architecture,optional" default:"that of the image"`
	// Port that the app listens on. It is in the environment variable PORT.
	ServicePort int `hcl:"service_port,optional" default:"3000"`
	// Whether tasks get public addresses. Without one a task needs a NAT gateway or VPC endpoints to pull its image.
	AssignPublicIP *bool `hcl:"assign_public_ip,optional" default:"true"`
	// Whether tasks run on the cluster's EC2 instances instead of Fargate.
	EC2Cluster bool `hcl:"ec2_cluster,optional"`
	// Whether there is no load balancer: for workers that nobody connects to.
	DisableALB bool `hcl:"disable_alb,optional"`
	// The load balancer.
	ALB *ALB `hcl:"alb,block"`
	// Another container of the task.
	Sidecar []*Sidecar `hcl:"sidecar,block"`
	// How the app's output is written to CloudWatch Logs.
	Logging *Logging `hcl:"logging,block"`
	// Name of the CloudWatch log group for the app's output.
	LogGroup string `hcl:"log_group,optional" default:"made from the app's name"`
	// How the load balancer looks after the tasks' health.
	HealthCheck *HealthCheck `hcl:"health_check,block"`
	// Environment variables from AWS Secrets Manager or the SSM Parameter Store: name to ARN.
	Secrets map[string]string `hcl:"secrets,optional"`
	// Environment variables of the app. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
	// Protocol between load balancer and tasks: "HTTP" or "HTTPS".
	TargetGroupProtocol string `hcl:"target_group_protocol,optional" default:"HTTP"`
	// Version of that protocol: "HTTP1", "HTTP2" or "GRPC".
	TargetGroupProtocolVersion string `hcl:"target_group_protocol_version,optional" default:"HTTP1"`
}

// ALB is the load balancer.
type ALB struct {
	// ARN of a certificate of AWS Certificate Manager. With it the app is served by HTTPS.
	Certificate string `hcl:"certificate,optional"`
	// Id of the Route 53 zone that domain_name is written to.
	ZoneID string `hcl:"zone_id,optional"`
	// Host name of the app; with zone_id.
	DomainName string `hcl:"domain_name,optional"`
	// ARN of a load balancer that is there already.
	LoadBalancerARN string `hcl:"load_balancer_arn,optional" default:"one is made"`
	// ARN of a listener that is there already; its default action is what releases change.
	ListenerARN string `hcl:"listener_arn,optional" default:"one is made"`
	// Whether the load balancer is reached only from the VPC.
	Internal *bool `hcl:"internal,optional" default:"false"`
	// Port that the load balancer listens on.
	IngressPort int64 `hcl:"ingress_port,optional" default:"443 with a certificate, else 80"`
	// Ids of the load balancer's subnets, in two availability zones at least.
	Subnets []string `hcl:"subnets,optional" default:"those of the tasks"`
	// Ids of the load balancer's security groups.
	SecurityGroupIDs []string `hcl:"security_group_ids,optional" default:"one is made"`
}

// Sidecar is another container of the task.
type Sidecar struct {
	// Name of the container.
	Name string `hcl:"name"`
	// Image of the container, with its tag.
	Image string `hcl:"image"`
	// Port of the container.
	ContainerPort int `hcl:"container_port,optional"`
	// Port of the EC2 instance that leads to it.
	HostPort int `hcl:"host_port,optional"`
	// Protocol of the port: "tcp" or "udp".
	Protocol string `hcl:"protocol,optional" default:"tcp"`
	// Memory that the container has at most, in MiB.
	Memory int `hcl:"memory,optional"`
	// Memory that the container is promised, in MiB.
	MemoryReservation int `hcl:"memory_reservation,optional"`
	// How ECS looks after the container's health.
	HealthCheck *ContainerHealthCheck `hcl:"health_check,block"`
	// Environment variables from AWS Secrets Manager or the SSM Parameter Store: name to ARN.
	Secrets map[string]string `hcl:"secrets,optional"`
	// Environment variables of the container.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
}

// ContainerHealthCheck says how ECS looks after a container's health.
type ContainerHealthCheck struct {
	// Command that is run in the container, "CMD" or "CMD-SHELL" first; it ends with 0 while the container is healthy.
	Command []string `hcl:"command"`
	// Seconds between two runs.
	Interval int64 `hcl:"interval,optional" default:"30"`
	// Seconds that a run may take.
	Timeout int64 `hcl:"timeout,optional" default:"5"`
	// Number of failed runs in a row after which the container is unhealthy.
	Retries int64 `hcl:"retries,optional" default:"3"`
	// Seconds after the start in which failures do not count.
	StartPeriod int64 `hcl:"start_period,optional" default:"0"`
}

// Logging says how the app's output is written to CloudWatch Logs.
type Logging struct {
	// Whether the log group is made if it is not there.
	CreateGroup bool `hcl:"create_group,optional"`
	// Region of the log group.
	Region string `hcl:"region,optional" default:"that of the service"`
	// What names of log streams begin with.
	StreamPrefix string `hcl:"stream_prefix,optional" default:"a time"`
	// Format of dates with which messages of several lines begin.
	DateTimeFormat string `hcl:"datetime_format,optional"`
	// Regular expression for the first line of messages of several lines.
	MultilinePattern string `hcl:"multiline_pattern,optional"`
	// "non-blocking" loses lines rather than slow the app down; "blocking" does the opposite.
	Mode string `hcl:"mode,optional" default:"blocking"`
	// Size of the buffer of mode non-blocking, for example "4m".
	MaxBufferSize string `hcl:"max_buffer_size,optional" default:"1m"`
}

// HealthCheck says how the load balancer looks after the tasks' health.
type HealthCheck struct {
	// Protocol of the check: "HTTP" or "HTTPS".
	Protocol string `hcl:"protocol,optional" default:"HTTP"`
	// Path of the GET request.
	Path string `hcl:"path,optional" default:"/"`
	// Seconds that the answer may take.
	Timeout int64 `hcl:"timeout,optional" default:"5"`
	// Seconds between two checks.
	Interval int64 `hcl:"interval,optional" default:"30"`
	// Number of good answers in a row after which a task is healthy.
	HealthyThresholdCount int64 `hcl:"healthy_threshold_count,optional" default:"5"`
	// Number of failed checks in a row after which a task is unhealthy.
	UnhealthyThresholdCount int64 `hcl:"unhealthy_threshold_count,optional" default:"2"`
	// Status codes of a good answer, for example "200-299"; for HTTP1 and HTTP2.
	HTTPCode string `hcl:"http_code,optional" default:"200"`
	// Status codes of a good answer, for example "0-99"; for GRPC.
	GRPCCode string `hcl:"grpc_code,optional" default:"12"`
}

// TaskConfig configures the task launcher.
type TaskConfig struct {
	// Name of the ECS cluster.
	Cluster string `hcl:"cluster,optional" default:"waypoint"`
	// AWS region.
	Region string `hcl:"region,optional" default:"that of the AWS configuration"`
	// Ids of the subnets that tasks run in, separated by commas.
	Subnets string `hcl:"subnets,optional" default:"those of the default VPC"`
	// Id of the tasks' security group.
	SecurityGroupID string `hcl:"security_group_id,optional" default:"that of the default VPC"`
	// Name of the IAM role with which ECS pulls the image and writes logs.
	ExecutionRoleName string `hcl:"execution_role_name,optional" default:"one is made"`
	// Name of the IAM role that tasks have.
	TaskRoleName string `hcl:"task_role_name,optional"`
	// Name of the CloudWatch log group for the tasks' output.
	LogGroup string `hcl:"log_group,optional" default:"waypoint-runner-logs"`
	// CPU of a task, in units of 1/1024 of a vCPU.
	CPU string `hcl:"odr_cpu,optional" default:"256"`
	// Memory of a task, in MiB.
	Memory string `hcl:"odr_memory,optional" default:"512"`
	// Image of the task's container.
	Image string `hcl:"odr_image,optional" default:"that of the pool's profile"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Name of the ECS cluster.
	Cluster string `hcl:"cluster"`
	// ARN of the ECS service.
	ServiceARN string `hcl:"service_arn"`
	// ARN of the task definition.
	TaskARN string `hcl:"task_arn"`
	// ARN of the load balancer's target group.
	TargetGroupARN string `hcl:"target_group_arn"`
	// ARN of the load balancer's listener.
	ListenerARN string `hcl:"listener_arn"`
	// ARN of the load balancer.
	LoadBalancerARN string `hcl:"load_balancer_arn"`
	// Address of the app.
	URL string `hcl:"url"`
}

// ReleaseOutput is what is seen of a release.
type ReleaseOutput struct {
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
		Name:    "aws-ecs",
		Summary: "Run apps as services of Amazon ECS, on Fargate or EC2.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Platform, Summary: "Runs an image as an ECS service behind a load balancer.",
				Config: schema.New[PlatformConfig], Output: schema.New[Output],
			},
			{
				Kind:    schema.Releaser,
				Summary: "Moves the load balancer's traffic to a deployment. Apps without a release stanza have it, too.",
				Output:  schema.New[ReleaseOutput],
			},
			{
				Kind: schema.TaskLauncher, Summary: "Launches tasks in an ECS cluster, on Fargate.",
				Config: schema.New[TaskConfig],
			},
		},
	}
}
