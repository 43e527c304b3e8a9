package secret

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// parameter is a key in an SSM SecureString: 32 bytes as base64.
type parameter struct {
	cfg  aws.Config
	name string

	mu   sync.Mutex
	read Source
}

// SSM is a source of the root key that a SecureString parameter holds. It is fetched once, when it is first
// needed: a function that seals nothing never asks.
func SSM(cfg aws.Config, name string) Source {
	return &parameter{cfg: cfg, name: name}
}

func (p *parameter) Current(ctx context.Context) (Key, error) {
	s, err := p.get(ctx)
	if err != nil {
		return Key{}, err
	}
	return s.Current(ctx)
}

func (p *parameter) Find(ctx context.Context, id string, wrapped []byte) ([]byte, error) {
	s, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	return s.Find(ctx, id, wrapped)
}

func (p *parameter) get(ctx context.Context) (Source, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read != nil {
		return p.read, nil
	}
	var res struct {
		Parameter struct{ Value string }
	}
	in := struct {
		Name           string
		WithDecryption bool
	}{p.name, true}
	if err := callAWS(ctx, p.cfg, "ssm", "AmazonSSM.GetParameter", in, &res); err != nil {
		return nil, fmt.Errorf("reading SSM parameter %s: %w", p.name, err)
	}
	root, err := base64.StdEncoding.DecodeString(res.Parameter.Value)
	if err != nil {
		return nil, fmt.Errorf("reading SSM parameter %s: it is not base64", p.name) // the cause would quote the key
	}
	if p.read, err = Static(root); err != nil {
		return nil, fmt.Errorf("reading SSM parameter %s: %w", p.name, err)
	}
	return p.read, nil
}
