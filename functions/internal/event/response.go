package event

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// response collects what a handler writes.
type response struct {
	header http.Header
	status int
	body   []byte
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // informational answers do not cross Lambda
		w.status = status
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

// encode writes the answer as events.APIGatewayProxyResponse's JSON. A body that is no UTF-8 text is sent as
// base64, which the gateway decodes because */* is a binary media type of the API.
func (w *response) encode() []byte {
	w.WriteHeader(http.StatusOK)
	text := utf8.Valid(w.body)
	size := 128 + 64*len(w.header) + len(w.body) + len(w.body)/8
	if !text {
		size = 128 + 64*len(w.header) + base64.StdEncoding.EncodedLen(len(w.body))
	}
	out := make([]byte, 0, size)
	out = append(out, `{"statusCode":`...)
	out = strconv.AppendInt(out, int64(w.status), 10)
	out = append(out, `,"multiValueHeaders":{`...)
	first := true
	for name, values := range w.header {
		if len(values) == 0 {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(appendString(out, name), ':', '[')
		for i, v := range values {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, v)
		}
		out = append(out, ']')
	}
	out = append(out, `},"body":`...)
	if text {
		out = appendString(out, w.body)
	} else {
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, w.body)
		out = append(out, '"')
	}
	out = append(out, `,"isBase64Encoded":`...)
	out = strconv.AppendBool(out, !text)
	return append(out, '}')
}

const hex = "0123456789abcdef"

// appendString writes s as a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendString[T ~string | ~[]byte](out []byte, s T) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			end := min(i+utf8.UTFMax, len(s))
			r, size := utf8.DecodeRuneInString(string(s[i:end]))
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			out = append(append(out, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		out = append(out, s[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(out, s[start:]...), '"')
}
