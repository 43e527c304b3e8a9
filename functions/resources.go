package functions

import (
	"strconv"

	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// ResourceSpec says what the server needs of AWS: one table, and how the runners' queues are made. Whatever
// installs the server makes this and nothing else; the AWS template is held to it by a test.
type ResourceSpec struct {
	Table TableSpec
	// QueuePrefix is what the names of all queues begin with; a pool's queue is made when its first runner registers.
	QueuePrefix string
	// QueueAttributes by their SQS names.
	QueueAttributes map[string]string
}

// TableSpec is an on-demand table with string keys.
type TableSpec struct {
	Name         string
	PartitionKey string
	SortKey      string
	// TTL is the attribute with the Unix time after which an item may be deleted.
	TTL     string
	Indexes []IndexSpec
}

// IndexSpec is a global secondary index with string keys that projects keys only.
type IndexSpec struct {
	Name, PartitionKey, SortKey string
}

// Settings of the runners' queues.
const (
	// queueVisibility is how long a receive hides a message: a long poll that dies takes it along for so long.
	queueVisibility = 10
	// queueRetention is four days: whatever is older has long been announced again.
	queueRetention = 4 * 24 * 3600
	// queueLongPoll is the longest that SQS holds a receive.
	queueLongPoll = 20
)

// Resources are what an installation named prefix is made of.
func Resources(prefix string) ResourceSpec {
	return ResourceSpec{
		Table: TableSpec{
			Name: prefix, PartitionKey: store.AttrPK, SortKey: store.AttrSK, TTL: store.AttrTTL,
			Indexes: []IndexSpec{
				{Name: store.Index1, PartitionKey: store.AttrIndex1, SortKey: store.AttrSort1},
				{Name: store.Index2, PartitionKey: store.AttrIndex2, SortKey: store.AttrSort2},
			},
		},
		QueuePrefix: prefix + "-",
		// No redrive policy: the table knows what is owed, and a dead-letter move would be a lost wake-up message.
		QueueAttributes: map[string]string{
			"VisibilityTimeout":             strconv.Itoa(queueVisibility),
			"MessageRetentionPeriod":        strconv.Itoa(queueRetention),
			"ReceiveMessageWaitTimeSeconds": strconv.Itoa(queueLongPoll),
		},
	}
}
