package builtin_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugins/builtin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// waypoints is what Waypoint's own plugins take, as far as that is known: a component a line. "*" is required, "{}" a
// block, and a dot leads into a block. A field that Waypoint requires is required here, no other one is (see required).
const waypoints = `
docker builder: dockerfile context build_args buildkit platform target no_cache disable_entrypoint auth{}
docker registry: image* tag* local encoded_auth username password auth{} insecure
docker platform: command scratch_path static_environment service_port extra_ports networks binds labels resources force_pull client_config{} client_config.host client_config.cert_path client_config.api_version
docker task-launcher: networks labels binds resources{} resources.cpu resources.memory static_environment force_pull debug_containers client_config{}
docker-pull builder: image* tag* disable_entrypoint encoded_auth auth{}
docker-ref builder: image* tag*
pack builder: builder buildpacks process_type static_environment ignore disable_entrypoint
kubernetes platform: replicas service_port ports probe{} probe_path cpu{} memory{} autoscale{} autoscale.min_replicas autoscale.max_replicas autoscale.cpu_percent pod{} pod.container{} pod.sidecar{} pod.security_context{} image_secret service_account scratch_path static_environment labels annotations namespace kubeconfig context
kubernetes releaser: ingress{} load_balancer port node_port ports annotations
kubernetes task-launcher: image_pull_policy cpu{} memory{} ephemeral_storage{} security_context{} service_account namespace watchtask_startup_timeout_seconds
kubernetes config-sourcer: name* key* secret namespace
kubernetes-apply platform: path* prune_label* prune_allowlist kubeconfig context
helm platform: name* chart* repository version devel values set{} driver namespace create_namespace skip_crds kubeconfig context
aws-ecs platform: cluster region subnets security_group_ids execution_role_name task_role_name task_role_policy_arns count memory memory_reservation cpu architecture service_port assign_public_ip ec2_cluster disable_alb alb{} alb.certificate alb.zone_id alb.domain_name alb.load_balancer_arn alb.internal alb.ingress_port alb.subnets sidecar{} logging{} health_check{} secrets static_environment target_group_protocol target_group_protocol_version
aws-ecs releaser:
aws-ecs task-launcher:
aws-ecr registry: region repository tag*
aws-ecr-pull builder: region repository* tag* force_architecture disable_entrypoint
aws-lambda platform: region iam_role memory timeout architecture storagemb static_environment
lambda-function-url releaser: auth_type principal cors{}
aws-alb releaser: name port subnets certificate zone_id domain_name listener_arn security_group_ids
aws-ami builder: region* owners name filters
aws-ec2 platform: region* instance_type* service_port* count{} key extra_ports security_groups subnet
nomad platform: datacenter namespace region replicas resources{} resources.cpu resources.memorymb service_port service_provider static_environment auth{} consul_token vault_token
nomad task-launcher:
nomad-jobspec platform: jobspec* hcl1
nomad-jobspec-canary releaser: groups fail_deployment
google-cloud-run platform: project* location* port capacity{} auto_scaling{} service_account_name unauthenticated vpc_access{} cloudsql_instances static_environment
google-cloud-run releaser:
azure-container-instance platform: resource_group* location subscription_id managed_identity ports capacity{} volume{} static_environment
exec platform: command dir template{} template.path
files builder: path
files registry: path*
null builder: values
null platform: values
null releaser: values
null config-sourcer: values
vault config-sourcer: path* key*
vault source: addr token namespace auth_method
aws-ssm config-sourcer: path*
aws-ssm source: region assume_role_arn assume_role_duration_seconds assume_role_external_id assume_role_policy assume_role_session_name
consul config-sourcer: key* namespace partition datacenter allow_stale
consul source: address token http_auth
terraform-cloud config-sourcer: organization* workspace* output
terraform-cloud source: token* base_url refresh_interval skip_verify
packer config-sourcer: bucket* channel* region* cloud
packer source: organization_id* project_id* client_id client_secret
`

// seen are the fields that real files write, where waypoints does not have them.
const seen = `
docker builder: auth.username auth.password
docker registry: auth.username auth.password
docker-pull builder: auth.username auth.password auth.auth
kubernetes platform: port{} port.name port.port cpu.request cpu.limit memory.request memory.limit pod.sidecar.image pod.sidecar.name pod.sidecar.command pod.sidecar.args pod.sidecar.port{} pod.sidecar.port.name pod.sidecar.port.port pod.sidecar.container{} pod.container.name
kubernetes releaser: ingress.path ingress.path_type ingress.host ingress.tls{} ingress.tls.hosts ingress.tls.secret_name ingress.annotations ingress.default namespace
nomad-jobspec platform: consul_token vault_token
aws-ecs platform: alb.listener_arn logging.create_group logging.region log_group
helm platform: set.name set.value
google-cloud-run platform: capacity.memory capacity.cpu_count capacity.max_requests_per_container capacity.request_timeout auto_scaling.max vpc_access.connector vpc_access.egress
kubernetes-apply platform: prune_whitelist
azure-container-instance platform: capacity.memory capacity.cpu_count volume.name volume.path volume.read_only volume.git_repo{}
packer config-sourcer: cloud_provider
`

// gives is what later stages see of Waypoint's plugins.
const gives = `
docker builder: image tag architecture
docker registry: image tag architecture
docker platform: container id name
docker-pull builder: image tag architecture
docker-ref builder: image tag architecture
aws-ecr registry: image tag architecture
aws-ecr-pull builder: image tag architecture
pack builder: image tag remote build_labels
files builder: path
files registry: path
aws-ami builder: image
kubernetes platform: id name
nomad platform: id name
nomad-jobspec platform: id name
helm platform: release
aws-ecs platform: cluster service_arn task_arn target_group_arn listener_arn load_balancer_arn url
aws-ec2 platform: public_ip public_dns region service_name target_group_arn
aws-lambda platform: func_arn ver_arn version region target_group_arn
google-cloud-run platform: id region revision_id url
azure-container-instance platform: id container_group url
`

// required are the fields that are required here and not known to be in Waypoint: without them there is nothing to do.
func required() map[string]string {
	return map[string]string{
		"exec platform command":                                                          "there is nothing to run",
		"exec platform template.path":                                                    "there is no template",
		"helm platform set.name":                                                         "there is nothing to set",
		"helm platform set.value":                                                        "there is nothing to set",
		"kubernetes platform port.port":                                                  "a port without its number",
		"kubernetes platform pod.container.port.port":                                    "a port without its number",
		"kubernetes platform pod.sidecar.port.port":                                      "a port without its number",
		"kubernetes platform pod.sidecar.container.port.port":                            "a port without its number",
		"aws-ecs platform sidecar.name":                                                  "ECS asks for it",
		"aws-ecs platform sidecar.image":                                                 "there is nothing to run",
		"aws-ecs platform sidecar.health_check.command":                                  "there is nothing to run",
		"azure-container-instance platform volume.path":                                  "there is nowhere to mount it",
		"azure-container-instance platform volume.azure_file_share.name":                 "there is nothing to mount",
		"azure-container-instance platform volume.azure_file_share.storage_account_name": "Azure asks for it",
		"azure-container-instance platform volume.azure_file_share.storage_account_key":  "Azure asks for it",
		"azure-container-instance platform volume.git_repo.repository":                   "there is nothing to clone",
		"null config-sourcer key":                                                        "it is ours",
	}
}

func builtIn() *catalog.Catalog { return builtin.Catalog(process.Options{}) }

// wanted is a field that a list above names.
type wanted struct{ required, block bool }

// parseList reads one of the lists above: component to path to field.
func parseList(t *testing.T, list string) map[string]map[string]wanted {
	t.Helper()
	out := map[string]map[string]wanted{}
	for line := range strings.Lines(strings.TrimSpace(list)) {
		component, names, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || out[component] != nil {
			t.Fatalf("the line %q has no component, or one that was there already", line)
		}
		out[component] = map[string]wanted{}
		for _, name := range strings.Fields(names) {
			path := strings.TrimRight(name, "*{}")
			out[component][path] = wanted{strings.HasSuffix(name, "*"), strings.HasSuffix(name, "{}")}
		}
	}
	return out
}

// flat is what a struct has, by path.
func flat(newStruct func() any) map[string]schema.Field {
	out := map[string]schema.Field{}
	if newStruct != nil {
		schema.Walk(schema.Describe(newStruct()), func(path string, f schema.Field) { out[path] = f })
	}
	return out
}

// schemas are all structs by "plugin kind"; what can be set for a config source is "plugin source".
func schemas() map[string]map[string]schema.Field {
	out := map[string]map[string]schema.Field{}
	for _, d := range builtIn().Definitions() {
		for _, c := range d.Components() {
			out[d.Name+" "+string(c.Kind)] = flat(c.Config)
			if c.Source != nil {
				out[d.Name+" source"] = flat(c.Source)
			}
		}
	}
	return out
}

func TestSchemasHaveWhatWaypointHas(t *testing.T) {
	have := schemas()
	// The null source's values are set for the source, not by who asks.
	have["null config-sourcer"] = have["null source"]
	for name, list := range map[string]string{"Waypoint": waypoints, "real files": seen} {
		for component, fields := range parseList(t, list) {
			if have[component] == nil {
				t.Errorf("%s: there is no %s", name, component)
				continue
			}
			for path, want := range fields {
				switch got, ok := have[component][path]; {
				case !ok:
					t.Errorf("%s: %s has no %s", name, component, path)
				case got.Block != want.block:
					t.Errorf("%s: %s: %s is a %s", name, component, path, got.Type)
				case want.required && !got.Required:
					t.Errorf("%s: %s: %s is not required", name, component, path)
				}
			}
		}
	}
}

func TestSchemasRequireNoMoreThanWaypoint(t *testing.T) {
	known := parseList(t, waypoints)
	allowed := required()
	used := map[string]bool{}
	for component, fields := range schemas() {
		if strings.HasPrefix(component, "process ") {
			continue // it is ours
		}
		for path, f := range fields {
			switch key := component + " " + path; {
			case !f.Required || known[component][path].required:
			case allowed[key] != "":
				used[key] = true
			default:
				t.Errorf("%s is required, and Waypoint does not say so: a file without it is refused", key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(allowed)) {
		if !used[key] {
			t.Errorf("%s is no longer required: take it off the list", key)
		}
	}
}

func TestSchemasGiveWhatWaypointGives(t *testing.T) {
	have := map[string]map[string]schema.Field{}
	for _, d := range builtIn().Definitions() {
		for _, c := range d.Components() {
			have[d.Name+" "+string(c.Kind)] = flat(c.Output)
		}
	}
	for component, fields := range parseList(t, gives) {
		for path := range fields {
			if _, ok := have[component][path]; !ok {
				t.Errorf("%s gives no %s", component, path)
			}
		}
	}
}

func TestTheCatalogHasAllPluginsOfWaypoint(t *testing.T) {
	known := map[string]bool{}
	for component := range parseList(t, waypoints) {
		name, _, _ := strings.Cut(component, " ")
		known[name] = true
	}
	if len(known) != 28 {
		t.Errorf("the list has %d plugins, and Waypoint has 28", len(known))
	}
	for _, name := range builtIn().Names() {
		delete(known, name)
	}
	for name := range known {
		t.Errorf("the plugin %s is missing", name)
	}
}
