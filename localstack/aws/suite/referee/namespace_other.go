//go:build !linux

package referee

import "context"

// Running is a referee that answers.
type Running struct {
	// URL leads to it.
	URL string
}

// Main does nothing here.
func Main() {}

// Stop does nothing here.
func (*Running) Stop() error { return nil }

func start(context.Context, string, []string, ...string) (*Running, error) {
	return nil, missing("it listens on all interfaces, and only Linux has the network namespaces that keep it in; start it yourself behind a firewall and name it with AWS_ENDPOINT_URL_DYNAMODB or AWS_ENDPOINT_URL_SQS")
}
