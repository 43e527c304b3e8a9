package infra

import (
	"regexp"
	"strings"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

// Identity is the caller's identity and region.
type Identity struct {
	Account, ARN, Region, Partition string
}

// names are the names of an installation's things in an account and region.
type names struct {
	stack, bucket, key, table, queuePrefix string
	// queue matches the names of queues that the server makes: the prefix and a pool's 16 hexadecimal digits.
	// Names of an installation whose name begins with this one's do not match.
	queue *regexp.Regexp
	id    Identity
}

func namesOf(name string, id Identity) names {
	return names{
		stack:       name,
		bucket:      name + "-code-" + id.Account + "-" + id.Region,
		key:         strings.ReplaceAll(template.KeyParameter, "${NamePrefix}", name),
		table:       strings.ReplaceAll(template.TableName, "${NamePrefix}", name),
		queuePrefix: name + "-",
		queue:       regexp.MustCompile("^" + regexp.QuoteMeta(name) + "-[0-9a-f]{16}$"),
		id:          id,
	}
}

// tagInstallation is on everything that the installer makes; its value is the installation's name.
const tagInstallation = "waypoint:installation"
