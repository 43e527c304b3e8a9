package validate

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Text returns a message whose texts are all UTF-8: m itself, or a copy in which what is not is replaced. Protocol Buffers send
// no other text, and what programs, plugins and commits say may be anything: a job must not fail, or be run again forever,
// because nobody can send how it ended.
func Text[M proto.Message](m M) M {
	if !m.ProtoReflect().IsValid() || validText(m.ProtoReflect()) {
		return m
	}
	out := proto.CloneOf(m)
	makeValid(out.ProtoReflect())
	return out
}

func validText(m protoreflect.Message) (valid bool) {
	valid = true
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				valid = validValue(field.MapKey(), k.Value()) && validValue(field.MapValue(), v)
				return valid
			})
		case field.IsList():
			for i := 0; i < v.List().Len() && valid; i++ {
				valid = validValue(field, v.List().Get(i))
			}
		default:
			valid = validValue(field, v)
		}
		return valid
	})
	return valid
}

func validValue(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	switch field.Kind() {
	case protoreflect.StringKind:
		return utf8.ValidString(v.String())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return validText(v.Message())
	}
	return true
}

func makeValid(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
			validEntries(field, v.Map())
		case field.IsList():
			for i := range v.List().Len() {
				if made, text := validCopy(field, v.List().Get(i)); text {
					v.List().Set(i, made)
				}
			}
		default:
			if made, text := validCopy(field, v); text {
				m.Set(field, made)
			}
		}
		return true
	})
}

func validEntries(field protoreflect.FieldDescriptor, m protoreflect.Map) {
	var renamed [][2]protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if made, text := validCopy(field.MapValue(), v); text {
			m.Set(k, made)
		}
		if made, text := validCopy(field.MapKey(), k.Value()); text && made.String() != k.String() {
			renamed = append(renamed, [2]protoreflect.MapKey{k, made.MapKey()})
		}
		return true
	})
	for _, names := range renamed {
		m.Set(names[1], m.Get(names[0]))
		m.Clear(names[0])
	}
}

// validCopy returns a text made valid; of a message, the texts in it are made so.
func validCopy(field protoreflect.FieldDescriptor, v protoreflect.Value) (made protoreflect.Value, text bool) {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.ToValidUTF8(v.String(), "\uFFFD")), true
	case protoreflect.MessageKind, protoreflect.GroupKind:
		makeValid(v.Message())
	}
	return v, false
}
