package terminal

import (
	"io"
	"slices"
	"strings"
)

// Column of a table.
type Column struct {
	Title string
	// Rank is the priority of the column: when the table is too wide, columns of the greatest rank are
	// dropped first; columns of rank 0 never are.
	Rank int
	// Right aligns numbers.
	Right bool
	// Prose is wrapped at words where the table is too wide, onto lines of its own.
	Prose bool
}

// Table is what a list command prints. Cells are single lines, but in columns of prose.
type Table struct {
	Columns []Column
	Rows    [][]string
}

const gap = "  "

// Layout gives the table's lines for a terminal of that many columns (0: no limit, for pipes). It drops
// columns before it shortens cells, and wraps only prose, so that each row is one line that grep finds.
func (t Table) Layout(columns int, color bool) []string {
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = make([]string, len(t.Columns))
		for j := range t.Columns {
			if j < len(row) {
				rows[i][j] = Clean(strings.ReplaceAll(row[j], "\n", " "), color)
			}
		}
	}
	keep := make([]int, len(t.Columns))
	widths := make([]int, len(t.Columns))
	for j, c := range t.Columns {
		keep[j], widths[j] = j, Width(c.Title)
		for _, row := range rows {
			widths[j] = max(widths[j], Width(row[j]))
		}
	}
	if columns > 0 {
		keep = t.fit(keep, widths, columns)
	}
	out := make([]string, 0, len(rows)+1)
	titles := make([]string, len(t.Columns))
	for j, c := range t.Columns {
		titles[j] = c.Title
	}
	out = append(out, Paint(t.line(titles, keep, widths), Header, color))
	for _, row := range rows {
		for _, cells := range t.wrapped(row, keep, widths) {
			out = append(out, t.line(cells, keep, widths))
		}
	}
	return out
}

// wrapped splits a row into those that its prose takes.
func (t Table) wrapped(row []string, keep, widths []int) [][]string {
	out := [][]string{row}
	for _, j := range keep {
		if !t.Columns[j].Prose || Width(row[j]) <= widths[j] {
			continue
		}
		for i, text := range Wrap(row[j], widths[j], 0) {
			if i == len(out) {
				out = append(out, make([]string, len(row)))
			}
			if i == 0 {
				out[0] = slices.Clone(row)
			}
			out[i][j] = text
		}
	}
	return out
}

// fit drops columns, and then shortens the widest, until the table fits.
func (t Table) fit(keep, widths []int, columns int) []int {
	total := func() int {
		n := len(gap) * (len(keep) - 1)
		for _, j := range keep {
			n += widths[j]
		}
		return n
	}
	for total() > columns {
		drop := -1
		for i, j := range keep {
			if t.Columns[j].Rank > 0 && (drop < 0 || t.Columns[j].Rank >= t.Columns[keep[drop]].Rank) {
				drop = i
			}
		}
		if drop < 0 {
			break
		}
		keep = slices.Delete(keep, drop, drop+1)
	}
	const least = 8
	for total() > columns {
		widest := slices.MaxFunc(keep, func(a, b int) int { return widths[a] - widths[b] })
		if widths[widest] <= least {
			break
		}
		widths[widest] = max(least, widths[widest]-(total()-columns))
	}
	return keep
}

func (t Table) line(cells []string, keep, widths []int) string {
	parts := make([]string, 0, len(keep))
	for _, j := range keep {
		cell := truncateWords(cells[j], widths[j])
		if t.Columns[j].Right {
			cell = strings.Repeat(" ", max(0, widths[j]-Width(cell))) + cell
		}
		parts = append(parts, pad(cell, widths[j]))
	}
	return strings.TrimRight(strings.Join(parts, gap), " ")
}

// Write prints the table.
func (t Table) Write(w io.Writer, columns int, color bool) error {
	_, err := io.WriteString(w, strings.Join(t.Layout(columns, color), "\n")+"\n")
	return err
}

// NamedValues lays out pairs, names aligned, and values wrapped at words for so many columns (0: not wrapped).
func NamedValues(pairs [][2]string, columns int, color bool) []string {
	w := 0
	for _, p := range pairs {
		w = max(w, Width(p[0]))
	}
	out := make([]string, 0, len(pairs))
	for _, p := range pairs {
		name := pad(p[0]+":", w+1)
		value := p[1]
		if columns > 0 {
			value = WrapLines(CleanLines(value, color), max(1, columns-w-2), 0)
		}
		for i, line := range strings.Split(value, "\n") {
			if i > 0 {
				name = strings.Repeat(" ", w+1)
			}
			out = append(out, strings.TrimRight(Paint(name, Dim, color)+" "+Clean(line, color), " "))
		}
	}
	return out
}
