package sqs

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// settings are a queue's attributes as numbers. Times in milliseconds but wait and delay
// keep SQS's seconds in their text form.
type settings struct {
	visibility, delay, wait, retention time.Duration
	maxSize                            int
	redrive                            *redrive
}

// redrive is a queue's dead-letter policy.
type redrive struct {
	target string // ARN
	max    int
}

// bounds of numeric attributes, in their own unit.
var bounds = map[string]struct{ min, max, def int }{
	"VisibilityTimeout":             {0, int(MaxVisibility / time.Second), 30},
	"DelaySeconds":                  {0, int(MaxDelay / time.Second), 0},
	"ReceiveMessageWaitTimeSeconds": {0, int(MaxWait / time.Second), 0},
	"MessageRetentionPeriod":        {int(minRetention / time.Second), int(maxRetention / time.Second), int(defaultRetention / time.Second)},
	"MaximumMessageSize":            {1024, MaxMessageSize, MaxMessageSize},
}

// notImplemented are attributes that SQS has and this engine refuses by name.
var notImplemented = map[string]bool{
	"Policy": true, "KmsMasterKeyId": true, "KmsDataKeyReusePeriodSeconds": true, "RedriveAllowPolicy": true,
	"SqsManagedSseEnabled": true, "ContentBasedDeduplication": true, "DeduplicationScope": true, "FifoThroughputLimit": true,
}

// computed are attributes that can be read and not set.
var computed = map[string]bool{
	"QueueArn": true, "CreatedTimestamp": true, "LastModifiedTimestamp": true, "ApproximateNumberOfMessages": true,
	"ApproximateNumberOfMessagesNotVisible": true, "ApproximateNumberOfMessagesDelayed": true,
}

// merge checks changes and returns a copy of current with them: only what differs from
// AWS's defaults needs to be in it. exists says whether an ARN is a queue.
func merge(current, changes map[string]string, exists func(arn string) bool) (map[string]string, error) {
	out := maps.Clone(current)
	if out == nil {
		out = make(map[string]string)
	}
	for name, value := range changes {
		switch b, numeric := bounds[name]; {
		case numeric:
			n, err := strconv.Atoi(value)
			if err != nil || n < b.min || n > b.max {
				return nil, attributeValue(name)
			}
			out[name] = strconv.Itoa(n)
		case name == "RedrivePolicy":
			if value == "" {
				delete(out, name)
				continue
			}
			policy, err := parseRedrive(value)
			if err != nil {
				return nil, err
			}
			if !exists(policy.target) {
				return nil, invalidValue("Value %s for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.", printable(value))
			}
			out[name] = policy.text()
		case name == "FifoQueue":
			return nil, unsupported("FIFO queues (attribute FifoQueue) are not implemented by this engine")
		case notImplemented[name]:
			return nil, unsupported("attribute " + name + " is not implemented by this engine")
		default:
			return nil, attributeName(name)
		}
	}
	return out, nil
}

// parse turns stored attributes into numbers.
func parse(attrs map[string]string) settings {
	number := func(name string) int {
		if n, err := strconv.Atoi(attrs[name]); err == nil {
			return n
		}
		return bounds[name].def
	}
	seconds := func(name string) time.Duration { return time.Duration(number(name)) * time.Second }
	s := settings{
		visibility: seconds("VisibilityTimeout"),
		delay:      seconds("DelaySeconds"),
		wait:       seconds("ReceiveMessageWaitTimeSeconds"),
		retention:  seconds("MessageRetentionPeriod"),
		maxSize:    number("MaximumMessageSize"),
	}
	if text := attrs["RedrivePolicy"]; text != "" {
		if policy, err := parseRedrive(text); err == nil { // it was checked before it was stored
			s.redrive = policy
		}
	}
	return s
}

// parseRedrive reads {"deadLetterTargetArn":"…","maxReceiveCount":3}; AWS also takes the
// count as a string.
func parseRedrive(text string) (*redrive, error) {
	var doc struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, invalidValue("Value %s for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map.", printable(text))
	}
	limit, err := strconv.Atoi(string(bytes.Trim(doc.Max, `"`)))
	switch {
	case doc.Target == "":
		return nil, invalidValue("Value %s for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain mandatory attribute: deadLetterTargetArn.", printable(text))
	case err != nil || limit < 1 || limit > 1000:
		return nil, invalidValue("Value %s for parameter RedrivePolicy is invalid. Reason: maxReceiveCount must be between 1 and 1000.", printable(text))
	}
	return &redrive{doc.Target, limit}, nil
}

func (r *redrive) text() string {
	b, _ := json.Marshal(struct { // strings and numbers cannot fail
		Target string `json:"deadLetterTargetArn"`
		Max    int    `json:"maxReceiveCount"`
	}{r.target, r.max})
	return string(b)
}

// described is what GetQueueAttributes says of the settings, defaults included.
func described(attrs map[string]string) map[string]string {
	out := make(map[string]string, len(bounds)+8)
	for name, b := range bounds {
		out[name] = strconv.Itoa(b.def)
	}
	maps.Copy(out, attrs)
	return out
}
