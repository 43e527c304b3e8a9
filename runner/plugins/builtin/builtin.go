// Package builtin is the set of plugins that are part of the waypoint binary: Waypoint's 28, and "process". It lists
// them and does nothing of its own; main and the documentation use it.
package builtin

import (
	"github.com/waypoint-serverless/waypoint/runner/pluginpipe"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsalb"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsami"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsec2"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsecr"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsecrpull"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsecs"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awslambda"
	"github.com/waypoint-serverless/waypoint/runner/plugins/awsssm"
	"github.com/waypoint-serverless/waypoint/runner/plugins/azurecontainerinstance"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/consul"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker"
	"github.com/waypoint-serverless/waypoint/runner/plugins/dockerpull"
	"github.com/waypoint-serverless/waypoint/runner/plugins/dockerref"
	"github.com/waypoint-serverless/waypoint/runner/plugins/exec"
	"github.com/waypoint-serverless/waypoint/runner/plugins/files"
	"github.com/waypoint-serverless/waypoint/runner/plugins/googlecloudrun"
	"github.com/waypoint-serverless/waypoint/runner/plugins/helm"
	"github.com/waypoint-serverless/waypoint/runner/plugins/kubernetes"
	"github.com/waypoint-serverless/waypoint/runner/plugins/kubernetesapply"
	"github.com/waypoint-serverless/waypoint/runner/plugins/lambdafunctionurl"
	"github.com/waypoint-serverless/waypoint/runner/plugins/nomad"
	"github.com/waypoint-serverless/waypoint/runner/plugins/nomadjobspec"
	"github.com/waypoint-serverless/waypoint/runner/plugins/nomadjobspeccanary"
	"github.com/waypoint-serverless/waypoint/runner/plugins/null"
	"github.com/waypoint-serverless/waypoint/runner/plugins/pack"
	"github.com/waypoint-serverless/waypoint/runner/plugins/packer"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
	"github.com/waypoint-serverless/waypoint/runner/plugins/terraformcloud"
	"github.com/waypoint-serverless/waypoint/runner/plugins/vault"
)

// Catalog makes the catalog. Components of the kinds that a definition lists as OutOfProcess are served by waypoint-plugins,
// which runner/waypoint-plugins lists too. The options are for the plugin "process"; the zero value is for the waypoint binary.
func Catalog(o process.Options) *catalog.Catalog {
	defs := []catalog.Definition{
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
	}
	served := pluginpipe.NewProcess(pluginpipe.Options{}) // it starts with the first component that it serves
	for i := range defs {
		defs[i] = pluginpipe.Remote(defs[i], served)
	}
	return catalog.NewCatalog(defs...)
}
