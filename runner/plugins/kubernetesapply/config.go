// Package kubernetesapply is the plugin "kubernetes-apply": a platform that applies Kubernetes manifests as
// `kubectl apply` does.
package kubernetesapply

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// File or directory with the manifests. Use templatefile or templatedir to put the image and the entrypoint's
	// environment into them.
	Path string `hcl:"path"`
	// Label, "name=value", that all manifests have. What has it in the cluster and is no longer among the manifests is
	// deleted.
	PruneLabel string `hcl:"prune_label"`
	// Types that may be deleted so, each "group/version/Kind", for example "apps/v1/Deployment".
	PruneAllowlist []string `hcl:"prune_allowlist,optional" default:"what kubectl prunes by default"`
	// Former name of prune_allowlist.
	PruneWhitelist []string `hcl:"prune_whitelist,optional" deprecated:"prune_allowlist"`
	// Path of the kubeconfig file.
	Kubeconfig string `hcl:"kubeconfig,optional" default:"KUBECONFIG, else the pod's own access"`
	// Context of the kubeconfig file.
	Context string `hcl:"context,optional" default:"the current one"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "kubernetes-apply",
		Summary: "Deploy your own Kubernetes manifests.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Applies manifests to a cluster, and deletes what is no longer among them.",
			Config: schema.New[Config],
		}},
	}
}
