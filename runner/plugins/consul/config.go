// Package consul is the plugin "consul": configuration from the key/value store of HashiCorp Consul.
package consul

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config is what dynamic("consul", {…}) takes.
type Config struct {
	// Key in the store.
	Key string `hcl:"key"`
	// Namespace of Consul Enterprise.
	Namespace string `hcl:"namespace,optional" default:"that of the source"`
	// Partition of Consul Enterprise.
	Partition string `hcl:"partition,optional" default:"that of the source"`
	// Datacenter to read from.
	Datacenter string `hcl:"datacenter,optional" default:"that of the server"`
	// Whether any server may answer, with a value that may be old. It takes load off the leader.
	AllowStale bool `hcl:"allow_stale,optional"`
}

// Source is what can be set for the source.
type Source struct {
	// Address of the Consul server or agent, with its scheme.
	Address string `hcl:"address,optional" default:"CONSUL_HTTP_ADDR, else http://127.0.0.1:8500"`
	// Token with which values are read.
	Token string `hcl:"token,optional" default:"CONSUL_HTTP_TOKEN"`
	// File with that token.
	TokenFile string `hcl:"token_file,optional" default:"CONSUL_HTTP_TOKEN_FILE"`
	// User name and password of HTTP basic authentication, "user:password".
	HTTPAuth string `hcl:"http_auth,optional" default:"CONSUL_HTTP_AUTH"`
	// Namespace of Consul Enterprise.
	Namespace string `hcl:"namespace,optional" default:"CONSUL_NAMESPACE"`
	// Partition of Consul Enterprise.
	Partition string `hcl:"partition,optional" default:"CONSUL_PARTITION"`
	// File with certificates that the server's is verified by.
	CAFile string `hcl:"ca_file,optional" default:"CONSUL_CACERT"`
	// Directory with certificates that the server's is verified by.
	CAPath string `hcl:"ca_path,optional" default:"CONSUL_CAPATH"`
	// Certificates that the server's is verified by, as PEM.
	CAPem string `hcl:"ca_pem,optional"`
	// File with the client's certificate.
	CertFile string `hcl:"cert_file,optional" default:"CONSUL_CLIENT_CERT"`
	// The client's certificate, as PEM.
	CertPem string `hcl:"cert_pem,optional"`
	// File with the key of the client's certificate.
	KeyFile string `hcl:"key_file,optional" default:"CONSUL_CLIENT_KEY"`
	// The key of the client's certificate, as PEM.
	KeyPem string `hcl:"key_pem,optional"`
	// Host name that the server's certificate must be for.
	TLSServerName string `hcl:"tls_server_name,optional" default:"CONSUL_TLS_SERVER_NAME"`
	// Whether the server's certificate is left unverified.
	InsecureHTTPS bool `hcl:"insecure_https,optional"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "consul",
		Summary: "Read configuration from the key/value store of HashiCorp Consul.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.ConfigSourcer, Summary: "Reads keys of the key/value store.",
			Config: schema.New[Config], Source: schema.New[Source],
		}},
	}
}
