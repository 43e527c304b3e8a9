package sqs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

type listQueuesInput struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

type listQueuesOutput struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

func (e *Engine) listQueues(ctx context.Context, in *listQueuesInput) (*listQueuesOutput, error) {
	if err := e.authorize(ctx, "ListQueues", "*"); err != nil {
		return nil, err
	}
	e.mu.RLock()
	names := slices.Sorted(maps.Keys(e.queues))
	e.mu.RUnlock()
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, in.QueueNamePrefix) })
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &listQueuesOutput{e.urls(page), next}, nil
}

type listSourcesInput struct {
	QueueURL   string `json:"QueueUrl"`
	MaxResults *int
	NextToken  string
}

type listSourcesOutput struct {
	QueueURLs []string `json:"queueUrls"` // AWS's own spelling
	NextToken string   `json:",omitempty"`
}

func (e *Engine) listDeadLetterSourceQueues(ctx context.Context, in *listSourcesInput) (*listSourcesOutput, error) {
	q, err := e.find(ctx, "ListDeadLetterSourceQueues", in.QueueURL)
	if err != nil {
		return nil, err
	}
	var names []string
	e.mu.RLock()
	for name, other := range e.queues {
		if r := other.set().redrive; r != nil && r.target == e.arn(q.name) {
			names = append(names, name)
		}
	}
	e.mu.RUnlock()
	slices.Sort(names)
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &listSourcesOutput{e.urls(page), next}, nil
}

func (e *Engine) urls(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = e.url(n)
	}
	return out
}

const maxResults = 1000

// paginate cuts sorted names into pages. The token is the last name of the page before.
// As on AWS, a token is returned only to who set MaxResults.
func paginate(names []string, limit *int, token string) ([]string, string, error) {
	n := maxResults
	if limit != nil {
		n = *limit
		if n < 1 || n > maxResults {
			return nil, "", invalidValue("MaxResults must be between 1 and %d.", maxResults)
		}
	}
	if token != "" {
		if limit == nil {
			return nil, "", invalidValue("MaxResults is a mandatory parameter when you provide a value for NextToken.")
		}
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", invalidValue("Invalid or expired next token.")
		}
		i, found := slices.BinarySearch(names, string(last))
		if found {
			i++
		}
		names = names[i:]
	}
	if len(names) <= n {
		return names, "", nil
	}
	next := ""
	if limit != nil {
		next = base64.RawURLEncoding.EncodeToString([]byte(names[n-1]))
	}
	return names[:n], next, nil
}
