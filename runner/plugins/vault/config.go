// Package vault is the plugin "vault": configuration from secrets of HashiCorp Vault, whose leases are renewed.
package vault

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config is what dynamic("vault", {…}) takes.
type Config struct {
	// Path of the secret, for example "database/creds/web". With version 2 of the key/value engine it has "data" in it:
	// "secret/data/web".
	Path string `hcl:"path"`
	// Key in the secret. A path into it begins with a slash and is a JSON pointer: "/data/password".
	Key string `hcl:"key"`
}

// Source is what can be set for the source.
type Source struct {
	// Address of the Vault server.
	Addr string `hcl:"addr,optional" default:"VAULT_ADDR"`
	// Address of a Vault agent, instead of the server's.
	AgentAddr string `hcl:"agent_addr,optional" default:"VAULT_AGENT_ADDR"`
	// Namespace of Vault Enterprise.
	Namespace string `hcl:"namespace,optional" default:"VAULT_NAMESPACE"`
	// File with certificates that the server's is verified by.
	CACert string `hcl:"ca_cert,optional" default:"VAULT_CACERT"`
	// Directory with certificates that the server's is verified by.
	CAPath string `hcl:"ca_path,optional" default:"VAULT_CAPATH"`
	// File with the client's certificate.
	ClientCert string `hcl:"client_cert,optional" default:"VAULT_CLIENT_CERT"`
	// File with the key of the client's certificate.
	ClientKey string `hcl:"client_key,optional" default:"VAULT_CLIENT_KEY"`
	// Host name that the server's certificate must be for.
	TLSServerName string `hcl:"tls_server_name,optional" default:"VAULT_TLS_SERVER_NAME"`
	// Whether the server's certificate is left unverified.
	SkipVerify bool `hcl:"skip_verify,optional"`
	// How to authenticate: "token", "aws", "gcp", "kubernetes" or "approle".
	AuthMethod string `hcl:"auth_method,optional" default:"token"`
	// Path that the authentication method is mounted at, with "auth/".
	AuthMethodMountPath string `hcl:"auth_method_mount_path,optional" default:"auth/ and the method's name"`
	// Token; for token.
	Token string `hcl:"token,optional" default:"VAULT_TOKEN"`
	// Role to log in as; for kubernetes.
	KubernetesRole string `hcl:"kubernetes_role,optional"`
	// File with the service account's token; for kubernetes.
	KubernetesTokenPath string `hcl:"kubernetes_token_path,optional" default:"/var/run/secrets/kubernetes.io/serviceaccount/token"`
	// Id of the role; for approle.
	ApproleRoleID string `hcl:"approle_role_id,optional"`
	// Secret id of the role; for approle.
	ApproleSecretID string `hcl:"approle_secret_id,optional"`
	// "iam" or "ec2"; for aws.
	AWSType string `hcl:"aws_type,optional" default:"iam"`
	// Role to log in as; for aws.
	AWSRole string `hcl:"aws_role,optional"`
	// Seconds between two looks for new AWS credentials; for aws.
	AWSCredentialPollInterval int `hcl:"aws_credential_poll_interval,optional" default:"60"`
	// Access key id; for aws.
	AWSAccessKey string `hcl:"aws_access_key,optional" default:"that of the AWS configuration"`
	// Secret access key; for aws.
	AWSSecretKey string `hcl:"aws_secret_key,optional" default:"that of the AWS configuration"`
	// AWS region of the STS that vouches; for aws.
	AWSRegion string `hcl:"aws_region,optional" default:"us-east-1"`
	// Value of the header X-Vault-AWS-IAM-Server-ID; for aws.
	AWSHeaderValue string `hcl:"aws_header_value,optional"`
	// "gce" or "iam"; for gcp.
	GCPType string `hcl:"gcp_type,optional" default:"gce"`
	// Role to log in as; for gcp.
	GCPRole string `hcl:"gcp_role,optional"`
	// File with Google credentials; for gcp.
	GCPCredentials string `hcl:"gcp_credentials,optional" default:"those of the machine"`
	// Minutes that a login token holds; for gcp.
	GCPJWTExp int `hcl:"gcp_jwt_exp,optional" default:"15"`
	// Service account to log in as; for gcp.
	GCPServiceAccount string `hcl:"gcp_service_account,optional"`
	// Google Cloud project of the service account; for gcp.
	GCPProject string `hcl:"gcp_project,optional"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "vault",
		Summary: "Read configuration from HashiCorp Vault.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.ConfigSourcer, Summary: "Reads secrets, and renews their leases.",
			Config: schema.New[Config], Source: schema.New[Source],
		}},
	}
}
