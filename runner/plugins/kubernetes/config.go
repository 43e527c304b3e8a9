// Package kubernetes is the plugin "kubernetes": apps that run as Kubernetes deployments, services and ingresses that
// lead to them, tasks that run as pods, and configuration from config maps and secrets.
package kubernetes

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// PlatformConfig configures the platform.
type PlatformConfig struct {
	// Number of pods. With autoscale, what it starts from.
	Replicas int32 `hcl:"replicas,optional" default:"1"`
	// Port that the app listens on. It is in the environment variable PORT.
	ServicePort uint `hcl:"service_port,optional" default:"3000"`
	// Ports of the app, each a map with "port" and optionally "name", "host_ip", "host_port" and "protocol"; instead of
	// service_port. The first is the app's main port.
	Ports []map[string]string `hcl:"ports,optional"`
	// Further ports of the app.
	Port []*Port `hcl:"port,block"`
	// How the health of the app is probed.
	Probe *Probe `hcl:"probe,block"`
	// Path of a GET request that a healthy app answers with a status from 200 to 399. Without it a connection is enough.
	ProbePath string `hcl:"probe_path,optional"`
	// CPU of the app's container.
	CPU *Resource `hcl:"cpu,block"`
	// Memory of the app's container.
	Memory *Resource `hcl:"memory,block"`
	// Requests and limits of other resources of the app's container: "requests_NAME" and "limits_NAME".
	Resources map[string]string `hcl:"resources,optional"`
	// How the number of pods follows the load. The cluster needs a metrics server, and the container needs cpu.
	AutoScale *AutoScale `hcl:"autoscale,block"`
	// What the pod has besides.
	Pod *Pod `hcl:"pod,block"`
	// Name of the secret with which the cluster pulls the image.
	ImageSecret string `hcl:"image_secret,optional"`
	// Service account of the pods. It is made if it is not there.
	ServiceAccount string `hcl:"service_account,optional" default:"that of the namespace"`
	// Paths in the container for temporary data; each is an empty volume.
	ScratchPath []string `hcl:"scratch_path,optional"`
	// Environment variables of the app. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
	// Labels of deployment and pods.
	Labels map[string]string `hcl:"labels,optional"`
	// Annotations of the pods.
	Annotations map[string]string `hcl:"annotations,optional"`
	// Namespace to deploy to. It must be there.
	Namespace string `hcl:"namespace,optional" default:"that of the kubeconfig's context"`
	// Path of the kubeconfig file.
	Kubeconfig string `hcl:"kubeconfig,optional" default:"KUBECONFIG, else the pod's own access"`
	// Context of the kubeconfig file.
	Context string `hcl:"context,optional" default:"the current one"`
}

// Port is a port of a container.
type Port struct {
	// Name of the port.
	Name string `hcl:"name,optional"`
	// Number of the port in the container.
	Port uint `hcl:"port"`
	// Number of the port on the node.
	HostPort uint `hcl:"host_port,optional"`
	// Address of the node that the port is bound to.
	HostIP string `hcl:"host_ip,optional"`
	// "tcp" or "udp".
	Protocol string `hcl:"protocol,optional" default:"tcp"`
}

// Probe says how health is probed.
type Probe struct {
	// Seconds from the container's start to the first probe.
	InitialDelay uint `hcl:"initial_delay,optional" default:"5"`
	// Seconds after which a probe has failed.
	Timeout uint `hcl:"timeout,optional" default:"5"`
	// Number of failed probes in a row after which the container is started again.
	FailureThreshold uint `hcl:"failure_threshold,optional" default:"5"`
}

// Resource is how much of something a container gets.
type Resource struct {
	// What the container is promised, in Kubernetes's units, for example "250m" or "64Mi".
	Request string `hcl:"request,optional"`
	// What it can have at most.
	Limit string `hcl:"limit,optional"`
}

// AutoScale says how the number of pods follows the load.
type AutoScale struct {
	// Fewest pods.
	MinReplicas int32 `hcl:"min_replicas,optional" default:"1"`
	// Most pods.
	MaxReplicas int32 `hcl:"max_replicas,optional"`
	// CPU use, as a percentage of what is requested, that is aimed at on the average.
	CPUPercent int32 `hcl:"cpu_percent,optional"`
}

// Pod is what the pod has besides the app's container.
type Pod struct {
	// Settings of the app's container; they win over those that stand beside pod.
	Container *Container `hcl:"container,block"`
	// Another container of the pod.
	Sidecar []*Sidecar `hcl:"sidecar,block"`
	// With which rights the pod's containers run.
	SecurityContext *SecurityContext `hcl:"security_context,block"`
}

// Container is a container of the pod.
type Container struct {
	// Name of the container.
	Name string `hcl:"name,optional"`
	// A port of the container.
	Port []*Port `hcl:"port,block"`
	// How the health of the container is probed.
	Probe *Probe `hcl:"probe,block"`
	// Path of a GET request that the healthy container answers with a status from 200 to 399.
	ProbePath string `hcl:"probe_path,optional"`
	// CPU of the container.
	CPU *Resource `hcl:"cpu,block"`
	// Memory of the container.
	Memory *Resource `hcl:"memory,block"`
	// Requests and limits of other resources: "requests_NAME" and "limits_NAME".
	Resources map[string]string `hcl:"resources,optional"`
	// Program that the container runs instead of the image's own.
	Command []string `hcl:"command,optional"`
	// Arguments of the program.
	Args []string `hcl:"args,optional"`
	// Environment variables of the container.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
}

// Sidecar is another container of the pod. Its settings stand in it, or in a block container.
type Sidecar struct {
	// Image of the container, with its tag.
	Image string `hcl:"image,optional"`
	// Settings of the container, as another place to write them.
	Container *Container `hcl:"container,block"`
	// Name of the container.
	Name string `hcl:"name,optional"`
	// A port of the container.
	Port []*Port `hcl:"port,block"`
	// How the health of the container is probed.
	Probe *Probe `hcl:"probe,block"`
	// Path of a GET request that the healthy container answers with a status from 200 to 399.
	ProbePath string `hcl:"probe_path,optional"`
	// CPU of the container.
	CPU *Resource `hcl:"cpu,block"`
	// Memory of the container.
	Memory *Resource `hcl:"memory,block"`
	// Requests and limits of other resources: "requests_NAME" and "limits_NAME".
	Resources map[string]string `hcl:"resources,optional"`
	// Program that the container runs instead of the image's own.
	Command []string `hcl:"command,optional"`
	// Arguments of the program.
	Args []string `hcl:"args,optional"`
	// Environment variables of the container.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
}

// SecurityContext says with which rights containers run.
type SecurityContext struct {
	// Number of the user that they run as.
	RunAsUser *int64 `hcl:"run_as_user,optional"`
	// Number of the group that they run as.
	RunAsGroup *int64 `hcl:"run_as_group,optional"`
	// Whether a container that would run as root is not started.
	RunAsNonRoot *bool `hcl:"run_as_non_root,optional"`
	// Number of the group that owns the pod's volumes.
	FsGroup *int64 `hcl:"fs_group,optional"`
}

// ReleaserConfig configures the releaser.
type ReleaserConfig struct {
	// An ingress that leads to the app. Its label is its kind: "http".
	Ingress []*Ingress `hcl:"ingress,block"`
	// Whether the service gets a load balancer with an address of its own.
	LoadBalancer bool `hcl:"load_balancer,optional"`
	// Port of the service.
	Port uint `hcl:"port,optional" default:"80"`
	// Port on each node that leads to the service.
	NodePort uint `hcl:"node_port,optional"`
	// Ports of the service, each a map with "port" and optionally "name", "target_port" and "node_port"; instead of port.
	Ports []map[string]string `hcl:"ports,optional"`
	// Annotations of the service.
	Annotations map[string]string `hcl:"annotations,optional"`
	// Namespace of the service: that of the deployment.
	Namespace string `hcl:"namespace,optional" default:"that of the kubeconfig's context"`
	// Path of the kubeconfig file.
	Kubeconfig string `hcl:"kubeconfig,optional" default:"KUBECONFIG, else the pod's own access"`
	// Context of the kubeconfig file.
	Context string `hcl:"context,optional" default:"the current one"`
}

// Ingress leads from outside of the cluster to the service.
type Ingress struct {
	Kind string `hcl:"kind,label"`
	// Whether requests that no other rule takes come here.
	Default bool `hcl:"default,optional"`
	// Host name that the rule is for.
	Host string `hcl:"host,optional" default:"every one"`
	// Path that the rule is for.
	Path string `hcl:"path,optional" default:"/"`
	// How path is compared: "Prefix", "Exact" or "ImplementationSpecific".
	PathType string `hcl:"path_type,optional" default:"Prefix"`
	// Annotations of the ingress. Most ingress controllers are configured so.
	Annotations map[string]string `hcl:"annotations,optional"`
	// Certificate of the host.
	TLS *TLS `hcl:"tls,block"`
}

// TLS is the certificate of an ingress.
type TLS struct {
	// Host names in the certificate.
	Hosts []string `hcl:"hosts,optional"`
	// Name of the secret that has certificate and key.
	SecretName string `hcl:"secret_name,optional"`
}

// TaskConfig configures the task launcher.
type TaskConfig struct {
	// When the image is pulled: "Always", "IfNotPresent" or "Never".
	ImagePullPolicy string `hcl:"image_pull_policy,optional" default:"Always for the tag latest, else IfNotPresent"`
	// Name of the secret with which the cluster pulls the image.
	ImageSecret string `hcl:"image_secret,optional"`
	// CPU of the task's container.
	CPU *Resource `hcl:"cpu,block"`
	// Memory of the task's container.
	Memory *Resource `hcl:"memory,block"`
	// Disk of the task's container.
	EphemeralStorage *Resource `hcl:"ephemeral_storage,block"`
	// With which rights the container runs.
	SecurityContext *SecurityContext `hcl:"security_context,block"`
	// Service account of the task's pod.
	ServiceAccount string `hcl:"service_account,optional" default:"that of the namespace"`
	// Namespace of the task's pod.
	Namespace string `hcl:"namespace,optional" default:"that of the kubeconfig's context"`
	// Seconds that the pod has to start before its task counts as failed.
	WatchtaskStartupTimeoutSeconds int `hcl:"watchtask_startup_timeout_seconds,optional" default:"30"`
	// Path of the kubeconfig file.
	Kubeconfig string `hcl:"kubeconfig,optional" default:"KUBECONFIG, else the pod's own access"`
	// Context of the kubeconfig file.
	Context string `hcl:"context,optional" default:"the current one"`
}

// SourcerConfig is what dynamic("kubernetes", {…}) takes.
type SourcerConfig struct {
	// Name of the config map, or of the secret.
	Name string `hcl:"name"`
	// Key in it.
	Key string `hcl:"key"`
	// Whether it is a secret.
	Secret bool `hcl:"secret,optional"`
	// Namespace that it is in.
	Namespace string `hcl:"namespace,optional" default:"that of the pod that asks"`
}

// PlatformOutput is what later stages see of a deployment.
type PlatformOutput struct {
	// Id of the deployment.
	ID string `hcl:"id"`
	// Name of the Kubernetes deployment.
	Name string `hcl:"name"`
}

// ReleaserOutput is what is seen of a release.
type ReleaserOutput struct {
	// Address of the app.
	URL string `hcl:"url"`
	// Name of the Kubernetes service.
	ServiceName string `hcl:"service_name"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "kubernetes",
		Summary: "Run apps in a Kubernetes cluster.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Platform, Summary: "Runs an image as a Kubernetes deployment.",
				Config: schema.New[PlatformConfig], Output: schema.New[PlatformOutput],
			},
			{
				Kind: schema.Releaser, Summary: "Leads a service, and an ingress or a load balancer, to a deployment.",
				Config: schema.New[ReleaserConfig], Output: schema.New[ReleaserOutput],
			},
			{
				Kind: schema.TaskLauncher, Summary: "Launches tasks as pods.",
				Config: schema.New[TaskConfig],
			},
			{
				Kind: schema.ConfigSourcer, Summary: "Reads configuration from config maps and secrets.",
				Config: schema.New[SourcerConfig],
			},
		},
	}
}
