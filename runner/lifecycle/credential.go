package lifecycle

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// credential answers a plugin that asks for a credential: the one of the job's git source, for its own origin alone.
func (j *attempt) credential(_ context.Context, req plugin.CredentialRequest) (plugin.Credential, error) {
	if req.Kind != plugin.CredentialGit {
		return plugin.Credential{}, fmt.Errorf("%w: kind %q", plugin.ErrNoCredential, req.Kind)
	}
	return gitCredential(j.dataSource().GetGit(), req.Address)
}

// gitCredential returns the user name and password of a git source if the address has its scheme, host and port.
func gitCredential(git *waypointv1.GitSource, address string) (plugin.Credential, error) {
	from, err := url.Parse(git.GetUrl())
	if err != nil || from.Host == "" {
		return plugin.Credential{}, plugin.ErrNoCredential
	}
	to, err := url.Parse(address)
	if err != nil || to.Scheme != from.Scheme || !strings.EqualFold(to.Host, from.Host) {
		return plugin.Credential{}, plugin.ErrNoCredential
	}
	c := plugin.Credential{Username: git.GetUsername(), Password: git.GetPassword()}
	if inURL, ok := from.User.Password(); c.Password == "" && ok {
		c = plugin.Credential{Username: from.User.Username(), Password: inURL}
	}
	if c.Password == "" {
		return plugin.Credential{}, plugin.ErrNoCredential
	}
	return c, nil
}

func (j *attempt) dataSource() *waypointv1.DataSource {
	if ds := j.claim.GetDataSource(); ds.GetSource() != nil {
		return ds
	}
	return j.spec.GetDataSource()
}
