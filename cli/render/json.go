package render

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// List is the JSON form of messages; never null.
func List[M proto.Message](messages []M) []any {
	out := make([]any, len(messages))
	for i, m := range messages {
		out[i] = Object(m)
	}
	return out
}

// Object is the JSON form of a message for people's programs: names as in the contract, but that times
// (…_unix, …_unix_ms) become RFC 3339 under …_at, enums lower-case words, and …_json fields JSON. Fields that
// are not set are left out, but for numbers, bools and strings of the message itself.
func Object(m proto.Message) map[string]any {
	if m == nil || !m.ProtoReflect().IsValid() {
		return map[string]any{}
	}
	return jsonMessage(m.ProtoReflect())
}

func jsonMessage(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name, v := string(f.Name()), m.Get(f)
		switch {
		case f.IsMap():
			if !m.Has(f) {
				continue
			}
			entries := map[string]any{}
			v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
				entries[k.String()] = jsonScalar(f.MapValue(), item)
				return true
			})
			out[name] = entries
		case f.IsList():
			list := make([]any, v.List().Len())
			for k := range list {
				list[k] = jsonScalar(f, v.List().Get(k))
			}
			out[name] = list
		case f.Message() != nil || f.ContainingOneof() != nil:
			if m.Has(f) {
				out[name] = jsonScalar(f, v)
			}
		case isTime(f):
			if m.Has(f) {
				key, at := timeField(name, v.Int())
				out[key] = at
			}
		case strings.HasSuffix(name, "_json"):
			if data := v.Bytes(); json.Valid(data) {
				out[strings.TrimSuffix(name, "_json")] = json.RawMessage(data)
			}
		default:
			out[name] = jsonScalar(f, v)
		}
	}
	return out
}

func jsonScalar(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return jsonMessage(v.Message())
	case protoreflect.EnumKind:
		return enumWord(f.Enum(), v.Enum())
	case protoreflect.BytesKind:
		if b := v.Bytes(); utf8.Valid(b) {
			return string(b)
		}
		return v.Bytes() // base64
	}
	return v.Interface()
}

// enumWord is the value's name without the enum's prefix, in lower case: "succeeded".
func enumWord(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	d := e.Values().ByNumber(n)
	if d == nil {
		return fmt.Sprintf("unknown_%d", n)
	}
	zero := string(e.Values().Get(0).Name())
	prefix := strings.TrimSuffix(zero, "UNSPECIFIED")
	if w := Enum(string(d.Name()), prefix); w != "unspecified" {
		return w
	}
	return ""
}

// Enum is the word for an enum's value: its name without the prefix, in lower case.
func Enum(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

func isTime(f protoreflect.FieldDescriptor) bool {
	name := string(f.Name())
	return f.Kind() == protoreflect.Int64Kind && (strings.HasSuffix(name, "_unix") || strings.HasSuffix(name, "_unix_ms"))
}

// timeField gives "queued_at" and RFC 3339 for queued_unix_ms.
func timeField(name string, v int64) (key, at string) {
	var t time.Time
	if short, ms := strings.CutSuffix(name, "_unix_ms"); ms {
		key, t = short, time.UnixMilli(v)
	} else {
		key, t = strings.TrimSuffix(name, "_unix"), time.Unix(v, 0)
	}
	if key != "time" && !strings.HasSuffix(key, "_time") {
		key += "_at"
	}
	return key, terminal.Time(t)
}

// UnixMS and unix are times of the contract; 0 is the zero time.
func UnixMS(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMilli(v)
}

// Unix is a time of the contract in seconds; 0 is the zero time.
func Unix(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.Unix(v, 0)
}
