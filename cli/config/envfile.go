package config

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/cli/problem"
)

// setting is one NAME=VALUE of a file.
type setting struct{ name, value string }

// readEnvFile reads a file of NAME=VALUE lines, "-" from in.
func readEnvFile(in io.Reader, path string) ([]setting, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, problem.New("USAGE", "cannot read -env-file: %v", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	} else {
		path = "stdin"
	}
	text, err := io.ReadAll(io.LimitReader(in, validate.MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(text) > validate.MaxMessage {
		return nil, problem.New("USAGE", "%s is larger than %d bytes", path, validate.MaxMessage)
	}
	p := envParser{path: path, text: strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n"), line: 1}
	return p.all()
}

// envParser reads the format that shells, Docker Compose and most languages' dotenv packages share: an optional `export`,
// comments, quotes, values that go on over lines. A $ is a $: nothing is substituted. No error repeats a value, which may be
// a secret.
type envParser struct {
	path string
	text string // what is left
	line int
}

func (p *envParser) all() ([]setting, error) {
	var out []setting
	at := map[string]int{}
	for {
		p.skipBlank()
		if p.text == "" {
			break
		}
		s, err := p.setting()
		if err != nil {
			return nil, err
		}
		if i, again := at[s.name]; again {
			out[i] = s // the last one counts, as in a shell
			continue
		}
		at[s.name] = len(out)
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, problem.New("USAGE", "there are no NAME=VALUE lines in %s", p.path)
	}
	return out, nil
}

func (p *envParser) refuse(line int, format string, args ...any) error {
	return problem.New("USAGE", "%s:%d: %s", p.path, line, fmt.Sprintf(format, args...))
}

// skipBlank skips empty lines and comments.
func (p *envParser) skipBlank() {
	for p.text != "" {
		line, rest, _ := strings.Cut(p.text, "\n")
		if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' {
			return
		}
		p.text = rest
		p.line++
	}
}

func (p *envParser) setting() (setting, error) {
	first, began := strings.TrimLeft(p.text, " \t"), p.line
	if after, ok := strings.CutPrefix(first, "export"); ok && after != "" && (after[0] == ' ' || after[0] == '\t') {
		first = strings.TrimLeft(after, " \t")
	}
	end := strings.IndexAny(first, "=\n")
	if end < 0 || first[end] != '=' {
		return setting{}, p.refuse(began, "expected NAME=VALUE")
	}
	name := strings.TrimRight(first[:end], " \t")
	if !envName(name) {
		return setting{}, p.refuse(began, "%q is not a name of an environment variable: use letters, digits and _, and no digit first", name)
	}
	p.text = strings.TrimLeft(first[end+1:], " \t")
	value, err := p.value(began)
	return setting{name, value}, err
}

func envName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// value reads a value and the end of its last line.
func (p *envParser) value(began int) (string, error) {
	if p.text != "" && (p.text[0] == '"' || p.text[0] == '\'') {
		value, err := p.quoted(began, p.text[0])
		if err != nil {
			return "", err
		}
		after, rest, _ := strings.Cut(p.text, "\n")
		if after = strings.TrimSpace(after); after != "" && after[0] != '#' {
			return "", p.refuse(p.line, "there is text after the closing quote: put the whole value in quotes")
		}
		p.text = rest
		p.line++
		return value, nil
	}
	var value strings.Builder
	for {
		line, rest, _ := strings.Cut(p.text, "\n")
		p.text = rest
		p.line++
		if before, goesOn := strings.CutSuffix(line, `\`); goesOn && rest != "" {
			value.WriteString(before)
			continue
		}
		value.WriteString(uncommented(line))
		return strings.TrimSpace(value.String()), nil
	}
}

// uncommented cuts off a comment: a # at the beginning or after a space.
func uncommented(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// quoted reads a quoted value, which may have several lines. In double quotes a backslash stands before what it names.
func (p *envParser) quoted(began int, quote byte) (string, error) {
	var value strings.Builder
	for i := 1; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == quote:
			p.text = p.text[i+1:]
			return value.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(p.text):
			i++
			if p.text[i] == '\n' { // the line goes on
				p.line++
				continue
			}
			if named, ok := escapes[p.text[i]]; ok {
				value.WriteByte(named)
				continue
			}
			value.WriteByte('\\')
			value.WriteByte(p.text[i])
		default:
			if c == '\n' {
				p.line++
			}
			value.WriteByte(c)
		}
	}
	return "", p.refuse(began, "the quote %c is not closed", quote)
}

var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '$': '$', '`': '`'}
