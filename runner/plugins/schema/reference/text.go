package reference

import (
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Lines for people are no wider than they read well, and no narrower than makes sense.
const (
	widest    = 100
	narrowest = 40
	indent    = "  "
)

// Text is the reference for a terminal of that many columns (0: not known).
func (p Plugin) Text(columns int, color bool) string {
	if columns <= 0 {
		columns = 80
	}
	w := &writer{columns: max(min(columns, widest), narrowest), color: color}
	w.title(p.Name)
	w.paragraph("", sentence(p.Summary))
	for _, c := range p.Components {
		w.component(p.Name, c)
	}
	if p.Example != "" {
		w.line("")
		w.title("Example")
		w.line("")
		for line := range strings.Lines(strings.TrimSpace(p.Example)) {
			w.line(strings.TrimRight(indent+strings.TrimRight(line, "\n"), " "))
		}
	}
	return w.out.String()
}

type writer struct {
	out     strings.Builder
	columns int
	color   bool
}

func (w *writer) line(text string) { w.out.WriteString(text + "\n") }

func (w *writer) title(text string) { w.line(terminal.Paint(text, terminal.Header, w.color)) }

// paragraph writes text in lines that fit.
func (w *writer) paragraph(prefix, text string) {
	for _, l := range wrap(text, w.columns-terminal.Width(prefix)) {
		w.line(prefix + l)
	}
}

func (w *writer) component(plugin string, c Component) {
	w.line("")
	w.title(plugin + ", " + strings.ReplaceAll(string(c.Kind), "-", " "))
	w.paragraph(indent, sentence(c.Summary)+" "+c.written(plugin, "")+" "+c.status())
	if len(c.Settings) == 0 {
		w.line("")
		w.line(indent + "It has no settings.")
	} else {
		w.settings("Settings", c.Settings)
	}
	if len(c.SourceSettings) > 0 {
		w.settings("Settings of the source", c.SourceSettings)
	}
	if len(c.Outputs) > 0 || c.MoreOutputs {
		w.line("")
		w.title(indent + "Outputs, for later stages")
		for _, o := range c.Outputs {
			w.line("")
			w.name(indent+indent, o.Name, o.Type)
			w.paragraph(indent+indent+indent+indent, o.Doc)
		}
		if c.MoreOutputs {
			w.line("")
			w.paragraph(indent+indent, "Which there are depends on the configuration.")
		}
	}
}

func (w *writer) settings(title string, fields []schema.Field) {
	w.line("")
	w.title(indent + title)
	w.fields(indent+indent, fields)
}

func (w *writer) fields(prefix string, fields []schema.Field) {
	for _, f := range fields {
		w.line("")
		name := f.Name
		if f.Block {
			name = header(f) + " { … }"
		}
		w.name(prefix, name, facts(f))
		doc := f.Doc
		if f.Deprecated != "" {
			doc = strings.TrimSpace("Deprecated: write " + f.Deprecated + ". " + doc)
		}
		w.paragraph(prefix+indent+indent, doc)
		w.fields(prefix+indent+indent, f.Fields)
	}
}

// name writes a name and what is known of it; on a line of its own what does not fit beside it.
func (w *writer) name(prefix, name, facts string) {
	painted := terminal.Paint(name, terminal.Info, w.color)
	if terminal.Width(prefix+name+indent+facts) <= w.columns {
		w.line(prefix + painted + indent + facts)
		return
	}
	w.line(prefix + painted)
	w.paragraph(prefix+indent+indent, facts)
}

// facts are "string, required", or "number, default: 3000".
func facts(f schema.Field) string {
	text := f.Type
	if f.Block {
		text = blockType(f)
	}
	if f.Required {
		text += ", required"
	}
	if f.Default != "" {
		text += ", default: " + f.Default
	}
	return text
}

// wrap breaks text between words; a word that is too long stays whole.
func wrap(text string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case terminal.Width(line)+1+terminal.Width(word) > columns:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
