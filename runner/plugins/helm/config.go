// Package helm is the plugin "helm": a platform that installs and upgrades a Helm chart.
package helm

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// Name of the Helm release.
	Name string `hcl:"name"`
	// Chart: a directory relative to the app's directory, an archive, a URL, or the name of a chart in repository.
	Chart string `hcl:"chart"`
	// URL of the chart's repository.
	Repository string `hcl:"repository,optional"`
	// Version of the chart, or a constraint such as "~1.2".
	Version string `hcl:"version,optional" default:"the newest"`
	// Whether versions under development count as newest.
	Devel bool `hcl:"devel,optional"`
	// Values for the chart, each one YAML text, for example file(templatefile("values.yaml.tpl")). Later ones win.
	Values []string `hcl:"values,optional"`
	// One value for the chart, over those in values.
	Set []*Set `hcl:"set,block"`
	// Where Helm keeps its own records: "secret", "configmap", "memory" or "sql".
	Driver string `hcl:"driver,optional" default:"secret"`
	// Namespace of the release.
	Namespace string `hcl:"namespace,optional" default:"that of the kubeconfig's context"`
	// Whether the namespace is made if it is not there.
	CreateNamespace bool `hcl:"create_namespace,optional"`
	// Whether the chart's custom resource definitions are left out.
	SkipCRDs bool `hcl:"skip_crds,optional"`
	// Path of the kubeconfig file.
	Kubeconfig string `hcl:"kubeconfig,optional" default:"KUBECONFIG, else the pod's own access"`
	// Context of the kubeconfig file.
	Context string `hcl:"context,optional" default:"the current one"`
}

// Set is one value for the chart.
type Set struct {
	// Name of the value; parts of it are separated by dots, as for `helm --set`.
	Name string `hcl:"name"`
	// The value.
	Value string `hcl:"value"`
	// "string" keeps a value text that looks like a number or a boolean.
	Type string `hcl:"type,optional" default:"auto"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Name of the Helm release.
	Release string `hcl:"release"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "helm",
		Summary: "Deploy a Helm chart.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Installs or upgrades a Helm chart.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
