package projects

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// secretsAAD binds a project's git credentials to it and to the URL that they are for.
func secretsAAD(project, url string) string { return "P#" + project + "/secrets/" + url }

// SplitSecrets takes the credentials out of a data source; secrets is nil if there are none.
func SplitSecrets(src *waypointv1.DataSource) (public *waypointv1.DataSource, secrets *waypointv1.GitSource) {
	git := src.GetGit()
	if git == nil {
		return src, nil
	}
	public = proto.CloneOf(src)
	g := public.GetGit()
	secrets = &waypointv1.GitSource{
		Password: git.GetPassword(), PrivateKeyPem: git.GetPrivateKeyPem(), PrivateKeyPassword: git.GetPrivateKeyPassword(),
	}
	g.Password, g.PrivateKeyPem, g.PrivateKeyPassword = "", "", ""
	// What stands in the URL is a credential, too, a lone name included: hosts take tokens there.
	if clean, user, password, err := validate.SplitGitURL("data_source.git.url", git.GetUrl()); err == nil {
		g.Url = clean
		if secrets.Password == "" {
			secrets.Password = password
		}
		if git.GetUsername() == "" {
			secrets.Username = user
		}
	}
	if proto.Equal(secrets, &waypointv1.GitSource{}) {
		secrets = nil
	}
	return public, secrets
}

// setSource replaces the data source. Credentials that the new source does not bring are kept while its URL
// stays the same, and dropped when it changes: they must not travel to another host.
func (i *projectItem) setSource(ctx context.Context, sealer store.Sealer, src *waypointv1.DataSource) error {
	if src == nil {
		i.Source, i.Secrets = nil, nil
		return nil
	}
	old := &waypointv1.DataSource{}
	if err := proto.Unmarshal(i.Source, old); err != nil {
		return fmt.Errorf("reading the data source of project %s: %w", i.Name, err)
	}
	public, secrets := SplitSecrets(src)
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(public)
	if err != nil {
		return fmt.Errorf("storing the data source: %w", err)
	}
	url := public.GetGit().GetUrl()
	switch {
	case secrets != nil:
		plain, err := proto.Marshal(secrets)
		if err != nil {
			return fmt.Errorf("storing the data source: %w", err)
		}
		if i.Secrets, err = sealer.Seal(ctx, secretsAAD(i.Name, url), plain); err != nil {
			return fmt.Errorf("storing the data source: %w", err)
		}
	case url == "" || url != old.GetGit().GetUrl():
		i.Secrets = nil
	}
	i.Source = raw
	return nil
}

func (i *projectItem) source() (*waypointv1.DataSource, error) {
	if len(i.Source) == 0 {
		return nil, nil
	}
	src := &waypointv1.DataSource{}
	if err := proto.Unmarshal(i.Source, src); err != nil {
		return nil, fmt.Errorf("reading the data source of project %s: %w", i.Name, err)
	}
	return src, nil
}

// DataSource is the project's data source with its credentials, for the runner that claimed a job of
// it and nobody else; nil if the project has none.
func (st *Store) DataSource(ctx context.Context, project string, sealer store.Sealer) (*waypointv1.DataSource, error) {
	var item projectItem
	found, err := st.db.Get(ctx, store.ProjectMeta(project), true, &item)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, NotFound(project)
	}
	src, err := item.source()
	if err != nil || src.GetGit() == nil || len(item.Secrets) == 0 {
		return src, err
	}
	git := src.GetGit()
	plain, err := sealer.Open(ctx, secretsAAD(project, git.GetUrl()), item.Secrets)
	if err != nil {
		return nil, fmt.Errorf("opening the git credentials of project %s: %w", project, err)
	}
	if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(plain, git); err != nil {
		return nil, fmt.Errorf("opening the git credentials of project %s: %w", project, err)
	}
	return src, nil
}
