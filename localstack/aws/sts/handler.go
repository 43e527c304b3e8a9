package sts

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

const (
	apiVersion = "2011-06-15"
	maxBody    = 64 << 10
	// maxPolicy is AWS's limit on an inline session policy, in characters.
	maxPolicy   = 2048
	minDuration = 15 * time.Minute
)

var sessionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w+=,.@-]{2,64}$`) })

// ServeHTTP answers one request of the AWS query protocol.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r)
	if err != nil {
		sigv4.WriteError(w, Service, err)
		return
	}
	var result any
	switch action := form.Get("Action"); action {
	case "AssumeRole":
		result, err = e.assumeRole(r, form)
	case "GetCallerIdentity":
		result, err = e.callerIdentity(r, form)
	default:
		err = fault("InvalidAction", "Could not find operation %q for version %s: this engine implements AssumeRole and GetCallerIdentity.", action, apiVersion)
	}
	if err != nil {
		sigv4.WriteError(w, Service, err)
		return
	}
	body, err := xml.Marshal(result)
	if err != nil {
		sigv4.WriteError(w, Service, err)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, fault("InvalidAction", "Only POST is implemented.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, fault("RequestEntityTooLarge", "The request body could not be read: at most %d bytes.", maxBody)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault("MalformedQueryString", "The request body is not a form.")
	}
	for name, values := range form {
		if len(values) != 1 {
			return nil, fault("MalformedQueryString", "Parameter %s is given more than once.", name)
		}
	}
	if v := form.Get("Version"); v != apiVersion {
		return nil, fault("NoSuchVersion", "Version must be %s.", apiVersion)
	}
	return form, nil
}

// only refuses parameters that are not implemented, by name: ignoring one could grant
// more than was asked for.
func only(form url.Values, known ...string) error {
	for name := range form {
		if name != "Action" && name != "Version" && !slices.Contains(known, name) {
			return fault("InvalidParameterCombination", "Parameter %q is not implemented by this engine.", name)
		}
	}
	return nil
}

type xmlCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type xmlAssumeRole struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  struct {
		AssumedRoleUser struct {
			AssumedRoleID string `xml:"AssumedRoleId"`
			Arn           string
		}
		Credentials      xmlCredentials
		PackedPolicySize int
	} `xml:"AssumeRoleResult"`
}

func (e *Engine) assumeRole(r *http.Request, form url.Values) (*xmlAssumeRole, error) {
	if err := only(form, "RoleArn", "RoleSessionName", "Policy", "DurationSeconds"); err != nil {
		return nil, err
	}
	arn := form.Get("RoleArn")
	role, ok := strings.CutPrefix(arn, "arn:aws:iam::"+e.opt.Account+":role/")
	if !ok || role == "" || strings.HasSuffix(role, "/") || len(arn) > 2048 {
		return nil, fault("ValidationError", "RoleArn must be arn:aws:iam::%s:role/NAME.", e.opt.Account)
	}
	name := form.Get("RoleSessionName")
	if !sessionName().MatchString(name) {
		return nil, fault("ValidationError", "RoleSessionName must be 2 to 64 characters of letters, digits and _+=,.@-")
	}
	duration, err := e.duration(form.Get("DurationSeconds"))
	if err != nil {
		return nil, err
	}
	// Without a session policy, AWS grants what the role's own policies allow. There
	// are none here, so it would have to be everything or nothing.
	policy := form.Get("Policy")
	switch {
	case policy == "":
		return nil, fault("ValidationError", "AssumeRole without Policy is not implemented by this engine: roles have no policies of their own here.")
	case len(policy) > maxPolicy:
		return nil, fault("ValidationError", "Policy must have length less than or equal to %d.", maxPolicy)
	}
	if _, err := sigv4.ParsePolicy([]byte(policy)); err != nil {
		return nil, fault("MalformedPolicyDocument", "%v", err)
	}
	if err := e.mayAssume(r, arn); err != nil {
		return nil, err
	}
	v, err := e.vend(role, name, policy, duration)
	if err != nil {
		return nil, err
	}
	out := new(xmlAssumeRole)
	out.Result.AssumedRoleUser.AssumedRoleID = e.roleID(role) + ":" + name
	out.Result.AssumedRoleUser.Arn = e.assumedRoleARN(role, name)
	out.Result.Credentials = xmlCredentials{v.keyID, v.secret, v.token, v.expires.Format(time.RFC3339)}
	out.Result.PackedPolicySize = (len(policy)*100 + maxPolicy - 1) / maxPolicy
	return out, nil
}

// mayAssume refuses role chaining: a session's keys could otherwise make keys with a
// wider policy than their own.
func (e *Engine) mayAssume(r *http.Request, arn string) error {
	if p, ok := sigv4.PrincipalFrom(r.Context()); !ok || p.Policy != nil {
		return &sigv4.Error{Status: http.StatusForbidden, Code: "AccessDenied",
			Message: fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", p.ARN, arn)}
	}
	err := e.opt.Authorize(r.Context(), "sts:AssumeRole", arn)
	var refusal *sigv4.Error
	if errors.As(err, &refusal) {
		return &sigv4.Error{Status: refusal.Status, Code: "AccessDenied", Message: refusal.Message}
	}
	return err
}

func (e *Engine) duration(text string) (time.Duration, error) {
	if text == "" {
		return min(time.Hour, e.opt.MaxDuration), nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < int(minDuration/time.Second) || seconds > 43200 {
		return 0, fault("ValidationError", "DurationSeconds must be between 900 and 43200.")
	}
	d := time.Duration(seconds) * time.Second
	if d > e.opt.MaxDuration {
		return 0, fault("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}

type xmlCallerIdentity struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Result  struct {
		Arn     string
		UserID  string `xml:"UserId"`
		Account string
	} `xml:"GetCallerIdentityResult"`
}

// callerIdentity needs no permission, as on AWS.
func (e *Engine) callerIdentity(r *http.Request, form url.Values) (*xmlCallerIdentity, error) {
	if err := only(form); err != nil {
		return nil, err
	}
	p, ok := sigv4.PrincipalFrom(r.Context())
	if !ok {
		return nil, &sigv4.Error{Status: http.StatusForbidden, Code: "MissingAuthenticationToken", Message: "Request is missing Authentication Token"}
	}
	out := new(xmlCallerIdentity)
	out.Result.Arn, out.Result.UserID, out.Result.Account = p.ARN, p.UserID, p.Account
	return out, nil
}

func fault(code, format string, args ...any) *sigv4.Error {
	return &sigv4.Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}
