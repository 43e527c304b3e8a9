// Package builtin is the set of plugins that are part of the waypoint binary: Waypoint's 28, and "process". It says what
// there is and does nothing of its own; main and the documentation use it.
package builtin

import (
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsalb"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsami"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsec2"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsecr"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsecrpull"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsecs"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awslambda"
	"github.com/waypoint-serverless/waypoint/runner/plugin/awsssm"
	"github.com/waypoint-serverless/waypoint/runner/plugin/azurecontainerinstance"
	"github.com/waypoint-serverless/waypoint/runner/plugin/consul"
	"github.com/waypoint-serverless/waypoint/runner/plugin/docker"
	"github.com/waypoint-serverless/waypoint/runner/plugin/dockerpull"
	"github.com/waypoint-serverless/waypoint/runner/plugin/dockerref"
	"github.com/waypoint-serverless/waypoint/runner/plugin/exec"
	"github.com/waypoint-serverless/waypoint/runner/plugin/files"
	"github.com/waypoint-serverless/waypoint/runner/plugin/googlecloudrun"
	"github.com/waypoint-serverless/waypoint/runner/plugin/helm"
	"github.com/waypoint-serverless/waypoint/runner/plugin/kubernetes"
	"github.com/waypoint-serverless/waypoint/runner/plugin/kubernetesapply"
	"github.com/waypoint-serverless/waypoint/runner/plugin/lambdafunctionurl"
	"github.com/waypoint-serverless/waypoint/runner/plugin/nomad"
	"github.com/waypoint-serverless/waypoint/runner/plugin/nomadjobspec"
	"github.com/waypoint-serverless/waypoint/runner/plugin/nomadjobspeccanary"
	"github.com/waypoint-serverless/waypoint/runner/plugin/null"
	"github.com/waypoint-serverless/waypoint/runner/plugin/pack"
	"github.com/waypoint-serverless/waypoint/runner/plugin/packer"
	"github.com/waypoint-serverless/waypoint/runner/plugin/process"
	"github.com/waypoint-serverless/waypoint/runner/plugin/terraformcloud"
	"github.com/waypoint-serverless/waypoint/runner/plugin/vault"
)

// Catalog makes the catalog. The options are for the plugin "process"; the zero value is for the waypoint binary.
func Catalog(o process.Options) *plugin.Catalog {
	return plugin.NewCatalog(
		awsalb.Definition(),
		awsami.Definition(),
		awsec2.Definition(),
		awsecr.Definition(),
		awsecrpull.Definition(),
		awsecs.Definition(),
		awslambda.Definition(),
		awsssm.Definition(),
		azurecontainerinstance.Definition(),
		consul.Definition(),
		docker.Definition(docker.Options{Proxy: o.Proxy, Now: o.Now}),
		dockerpull.Definition(),
		dockerref.Definition(),
		exec.Definition(),
		files.Definition(),
		googlecloudrun.Definition(),
		helm.Definition(),
		kubernetes.Definition(),
		kubernetesapply.Definition(),
		lambdafunctionurl.Definition(),
		nomad.Definition(),
		nomadjobspec.Definition(),
		nomadjobspeccanary.Definition(),
		null.Definition(),
		pack.Definition(),
		packer.Definition(),
		process.Definition(o),
		terraformcloud.Definition(),
		vault.Definition(),
	)
}
