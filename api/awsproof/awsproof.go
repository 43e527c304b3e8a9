// Package awsproof is the form of a signed AWS identity, which both sides must agree on byte by byte: the request of STS's
// GetCallerIdentity that a runner signs and hands over, and that the server passes on. It imports nothing of ours.
package awsproof

import "strings"

// The request that is signed: a POST of Body to "/" at Host(region), with ServerHeader among the signed headers.
const (
	// ServerHeader carries the id of the server that the signature is for.
	ServerHeader = "X-Waypoint-Server-Id"
	// NonceHeader makes each signature another, also of one key in one second. It is signed like all headers.
	NonceHeader = "X-Waypoint-Nonce"
	Body        = "Action=GetCallerIdentity&Version=2011-06-15"
	// BodySHA256 is Body's, in hex.
	BodySHA256  = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843"
	ContentType = "application/x-www-form-urlencoded; charset=utf-8"
)

// Host is STS's in a region.
func Host(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "sts." + region + ".amazonaws.com.cn"
	}
	return "sts." + region + ".amazonaws.com"
}
