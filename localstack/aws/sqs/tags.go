package sqs

import (
	"context"
	"maps"
)

type tagInput struct {
	QueueURL string `json:"QueueUrl"`
	Tags     map[string]string
}

const maxTags = 50

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidValue("Too many tags: at most %d.", maxTags)
	}
	for k, v := range tags {
		if k == "" || len(k) > 128*4 || len(v) > 256*4 {
			return invalidValue("A tag key has 1 to 128 characters, a tag value at most 256.")
		}
	}
	return nil
}

func (e *Engine) tagQueue(ctx context.Context, in *tagInput) (*empty, error) {
	q, err := e.find(ctx, "TagQueue", in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	return e.retag(ctx, q, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

type untagInput struct {
	QueueURL string `json:"QueueUrl"`
	TagKeys  []string
}

func (e *Engine) untagQueue(ctx context.Context, in *untagInput) (*empty, error) {
	q, err := e.find(ctx, "UntagQueue", in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, missing("TagKeys")
	}
	return e.retag(ctx, q, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (e *Engine) retag(ctx context.Context, q *queue, change func(map[string]string)) (*empty, error) {
	e.admin.Lock()
	defer e.admin.Unlock()
	q.mu.Lock()
	attrs, tags := q.attrs, maps.Clone(q.tags)
	q.mu.Unlock()
	if tags == nil {
		tags = make(map[string]string)
	}
	change(tags)
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	if err := e.redefine(ctx, q, attrs, tags); err != nil {
		return nil, err
	}
	return &empty{}, nil
}

type tagsOutput struct {
	Tags map[string]string `json:",omitempty"`
}

func (e *Engine) listQueueTags(ctx context.Context, in *queueInput) (*tagsOutput, error) {
	q, err := e.find(ctx, "ListQueueTags", in.QueueURL)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return &tagsOutput{maps.Clone(q.tags)}, nil
}
