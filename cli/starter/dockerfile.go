package starter

import (
	"path"
	"strconv"
	"strings"
)

// stage is one stage of a Dockerfile, as far as ports are concerned.
type stage struct {
	name, base string
	vars       map[string]string
	port       int
}

// imagePorts are the ports of images that web sites are commonly made of, whose Dockerfiles then expose nothing.
var imagePorts = map[string]int{"nginx": 80, "httpd": 80, "caddy": 80}

// exposed is the first TCP port that a Dockerfile exposes in the stage that is built: target, or the last one. What the
// stage does not expose, the stage or image that it begins with may. 0: none is known.
func exposed(dockerfile, target string) int {
	global, stages := map[string]string{}, []*stage{}
	find := func(name string) *stage {
		for i := len(stages) - 1; i >= 0; i-- {
			if name != "" && (strings.EqualFold(stages[i].name, name) || strconv.Itoa(i) == name) {
				return stages[i]
			}
		}
		return nil
	}
	for _, words := range instructions(dockerfile) {
		at := &stage{vars: global}
		if len(stages) > 0 {
			at = stages[len(stages)-1]
		}
		switch args := words[1:]; strings.ToUpper(words[0]) {
		case "FROM":
			s := from(args, global)
			if base := find(s.base); base != nil {
				for name, value := range base.vars {
					s.vars[name] = value
				}
			}
			stages = append(stages, s)
		case "ARG":
			at.declare(args, global)
		case "ENV":
			at.set(args)
		case "EXPOSE":
			for _, word := range args {
				if n := tcpPort(expand(word, at.vars)); n > 0 && at.port == 0 {
					at.port = n
				}
			}
		}
	}
	s := find(target)
	if s == nil && len(stages) > 0 {
		s = stages[len(stages)-1]
	}
	for range stages { // no stage begins with itself, so this ends
		if s == nil || s.port > 0 {
			break
		}
		base := find(s.base)
		if base == nil {
			name, _, _ := strings.Cut(path.Base(s.base), ":")
			return imagePorts[name]
		}
		s = base
	}
	if s == nil {
		return 0
	}
	return s.port
}

// from reads what follows FROM: flags, the image, and AS with a name.
func from(args []string, global map[string]string) *stage {
	s := &stage{vars: map[string]string{}}
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		args = args[1:]
	}
	if len(args) > 0 {
		s.base = expand(args[0], global)
	}
	if len(args) > 2 && strings.EqualFold(args[1], "AS") {
		s.name = args[2]
	}
	return s
}

// declare is ARG: with a default, or with that of an ARG before the first FROM. What ENV has set stays.
func (s *stage) declare(args []string, global map[string]string) {
	for _, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		if !given {
			value, given = global[name], global[name] != ""
		}
		if given {
			s.vars[name] = expand(unquote(value), s.vars)
		}
	}
}

// set is ENV: NAME=value pairs, or the old form NAME value.
func (s *stage) set(args []string) {
	if len(args) > 1 && !strings.Contains(args[0], "=") {
		s.vars[args[0]] = expand(unquote(strings.Join(args[1:], " ")), s.vars)
		return
	}
	for _, arg := range args {
		if name, value, ok := strings.Cut(arg, "="); ok {
			s.vars[name] = expand(unquote(value), s.vars)
		}
	}
}

// instructions splits a Dockerfile into its instructions, each a list of words, without comments and here-documents.
func instructions(text string) (all [][]string) {
	escape := `\`
	line, until := "", ""
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, "\r\n")
		trimmed := strings.TrimSpace(raw)
		if until != "" { // inside a here-document
			if trimmed == until {
				until = ""
			}
			continue
		}
		if strings.HasPrefix(trimmed, "#") {
			if name, value, ok := strings.Cut(strings.TrimSpace(trimmed[1:]), "="); ok && len(all) == 0 && strings.TrimSpace(name) == "escape" {
				escape = strings.TrimSpace(value)
			}
			continue
		}
		if trimmed == "" {
			continue
		}
		if rest, cut := strings.CutSuffix(strings.TrimRight(raw, " \t"), escape); cut && escape != "" {
			line += rest + " "
			continue
		}
		words := strings.Fields(line + raw)
		line = ""
		if len(words) == 0 {
			continue
		}
		all = append(all, words)
		if i := strings.Index(raw, "<<"); i >= 0 && !strings.EqualFold(words[0], "EXPOSE") {
			mark, _, _ := strings.Cut(strings.TrimPrefix(raw[i+2:], "-"), " ")
			until = unquote(mark)
		}
	}
	if words := strings.Fields(line); len(words) > 0 {
		all = append(all, words)
	}
	return all
}

func unquote(text string) string {
	if n := len(text); n > 1 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}

// expand replaces $NAME, ${NAME}, ${NAME:-default} and ${NAME:+other}.
func expand(text string, vars map[string]string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if inner, after, braced := strings.Cut(strings.TrimPrefix(rest, "{"), "}"); braced && strings.HasPrefix(rest, "{") {
			name, other, _ := strings.Cut(inner, ":")
			value := vars[name]
			switch {
			case strings.HasPrefix(other, "-") && value == "":
				value = expand(other[1:], vars)
			case strings.HasPrefix(other, "+") && value != "":
				value = expand(other[1:], vars)
			}
			out.WriteString(value)
			text = after
			continue
		}
		n := 0
		for n < len(rest) && (rest[n] == '_' || rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'A' && rest[n] <= 'Z' || rest[n] >= 'a' && rest[n] <= 'z') {
			n++
		}
		out.WriteString(vars[rest[:n]])
		text = rest[n:]
	}
}

// tcpPort is the first port of 8080, 8080/tcp or 8000-8010/tcp; 0 for UDP and what is not a port.
func tcpPort(word string) int {
	word, protocol, _ := strings.Cut(unquote(word), "/")
	if protocol != "" && !strings.EqualFold(protocol, "tcp") {
		return 0
	}
	first, _, _ := strings.Cut(word, "-")
	n, err := strconv.Atoi(first)
	if err != nil || n < 1 || n > 65535 {
		return 0
	}
	return n
}
