package redact

import (
	"bytes"
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Message returns a message of the API without the sensitive values: a copy, so that what the job goes on with is as its
// plugin made it. Ids and names of things are left alone, and so is a fence.
func Message[M proto.Message](s *Secrets, m M) M {
	if s == nil || !m.ProtoReflect().IsValid() {
		return m
	}
	out := proto.CloneOf(m)
	s.message(out.ProtoReflect())
	return out
}

func (s *Secrets) message(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		hide := s.hiding(field)
		switch {
		case hide == nil:
		case field.IsMap():
			s.entries(v.Map(), field.MapValue(), hide)
		case field.IsList():
			s.elements(v.List(), field, hide)
		case field.Message() != nil:
			s.message(v.Message())
		default:
			m.Set(field, hidden(field, v, hide))
		}
		return true
	})
}

func (s *Secrets) elements(list protoreflect.List, field protoreflect.FieldDescriptor, hide func(string) string) {
	for i := range list.Len() {
		if field.Message() != nil {
			s.message(list.Get(i).Message())
			continue
		}
		list.Set(i, hidden(field, list.Get(i), hide))
	}
}

func (s *Secrets) entries(m protoreflect.Map, value protoreflect.FieldDescriptor, hide func(string) string) {
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if value.Message() != nil {
			s.message(v.Message())
		} else {
			m.Set(k, hidden(value, v, hide))
		}
		return true
	})
}

// hiding chooses what is hidden in a field by its name; nil: nothing. What a later job reads back is treated as data.
func (s *Secrets) hiding(field protoreflect.FieldDescriptor) func(string) string {
	switch name := string(field.Name()); {
	case field.ContainingMessage().Name() == "Resource" && name != "state_json":
		return s.Hide // a plugin's own names and ids, for display
	case name == "fence", name == "id", strings.HasSuffix(name, "_id"), name == "project", name == "app", name == "workspace",
		name == "plugin", name == "step", name == "reason":
		return nil
	case strings.HasSuffix(name, "_json"):
		return s.hideJSON
	case name == "labels", strings.HasSuffix(name, "url"), name == "generation", name == "name":
		return s.HideData
	}
	return s.Hide
}

func hidden(field protoreflect.FieldDescriptor, v protoreflect.Value, hide func(string) string) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(hide(v.String()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(hide(string(v.Bytes()))))
	}
	return v
}

// hideJSON hides in the texts of a JSON document; its numbers, and that it is JSON, stay.
func (s *Secrets) hideJSON(text string) string {
	if s.HideData(text) == text {
		return text // as it nearly always is
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return s.HideData(text)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s.hideValue(v)); err != nil {
		return s.HideData(text)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func (s *Secrets) hideValue(v any) any {
	switch v := v.(type) {
	case string:
		return s.HideData(v)
	case []any:
		for i := range v {
			v[i] = s.hideValue(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for k, inner := range v {
			clean[s.HideData(k)] = s.hideValue(inner)
		}
		return clean
	}
	return v
}
