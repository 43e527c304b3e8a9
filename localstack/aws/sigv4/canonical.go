package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// authorization is the parsed Authorization header.
type authorization struct {
	keyID, date, region, service string
	stamp                        string
	signedHeaders                []string
	signature                    string
}

func parseAuthorization(r *http.Request) (authorization, error) {
	var a authorization
	if q := r.URL.RawQuery; strings.Contains(q, "X-Amz-Signature") || strings.Contains(q, "X-Amz-Algorithm") {
		return a, incomplete("Presigned URLs (query string authentication) are not implemented; sign with the Authorization header.")
	}
	values := r.Header.Values("Authorization")
	switch len(values) {
	case 0:
		return a, &Error{http.StatusForbidden, "MissingAuthenticationTokenException", "Request is missing Authentication Token"}
	case 1:
	default:
		return a, incomplete("More than one Authorization header.")
	}
	rest, ok := strings.CutPrefix(values[0], algorithm+" ")
	if !ok {
		return a, incomplete("Authorization must be " + algorithm + ".")
	}
	fields := make(map[string]string, 3)
	for part := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[k]; !ok || twice {
			return a, incomplete("Authorization header is malformed.")
		}
		fields[k] = v
	}
	for _, k := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[k] == "" {
			return a, incomplete("Authorization header requires '" + k + "' parameter.")
		}
	}
	if len(fields) != 3 {
		return a, incomplete("Authorization header is malformed.")
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || scope[0] == "" || len(scope[0]) > 128 {
		return a, incomplete("Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request.")
	}
	a = authorization{
		keyID: scope[0], date: scope[1], region: scope[2], service: scope[3],
		stamp:         r.Header.Get("X-Amz-Date"),
		signedHeaders: strings.Split(fields["SignedHeaders"], ";"),
		signature:     fields["Signature"],
	}
	return a, checkSignedHeaders(r, a.signedHeaders)
}

// checkSignedHeaders holds the list to AWS's rules: sorted, lower case, host in it,
// and every x-amz- header of the request too (an unsigned one could be planted).
func checkSignedHeaders(r *http.Request, signed []string) error {
	if !sort.StringsAreSorted(signed) || !slices.Contains(signed, "host") {
		return incomplete("SignedHeaders must be sorted and contain 'host'.")
	}
	for i, name := range signed {
		if name == "" || name != strings.ToLower(name) || i > 0 && signed[i-1] == name {
			return incomplete("SignedHeaders must be distinct lower-case header names.")
		}
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return incomplete("Header '" + printable(lower) + "' must be signed.")
		}
	}
	return nil
}

// canonicalRequest is the text whose hash is signed.
func canonicalRequest(r *http.Request, signed []string, payload string) (string, error) {
	query, err := canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	// Every service but S3 encodes the (already encoded) path once more.
	writeEscapedPath(&b, r.URL.EscapedPath())
	b.WriteByte('\n')
	b.WriteString(query)
	b.WriteByte('\n')
	for _, name := range signed {
		value, ok := headerValue(r, name)
		if !ok {
			return "", incomplete("A header named in SignedHeaders is not in the request.")
		}
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(value)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signed, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	return b.String(), nil
}

func headerValue(r *http.Request, name string) (string, bool) {
	switch name {
	case "host":
		return r.Host, r.Host != ""
	case "content-length":
		// net/http keeps the length beside the headers.
		return strconv.FormatInt(r.ContentLength, 10), r.ContentLength >= 0
	}
	values := r.Header.Values(name)
	if len(values) == 0 {
		return "", false
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = collapseSpaces(v)
	}
	return strings.Join(trimmed, ","), true
}

// collapseSpaces trims v and turns runs of spaces into one.
func collapseSpaces(v string) string {
	v = strings.Trim(v, " \t")
	for strings.Contains(v, "  ") {
		v = strings.ReplaceAll(v, "  ", " ")
	}
	return v
}

func canonicalQuery(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return "", incomplete("The query string is malformed.")
	}
	for _, values := range q {
		sort.Strings(values)
	}
	return strings.ReplaceAll(q.Encode(), "+", "%20"), nil
}

func writeEscapedPath(b *strings.Builder, path string) {
	if path == "" {
		path = "/"
	}
	const hexDigits = "0123456789ABCDEF"
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}
