package screen

// Resize gives the terminal another size. Where it rewraps lines, what scrolled out is rewrapped as well, and the
// cursor stays at its character.
func (s *Screen) Resize(columns, rows int) {
	s.col = s.column()
	if s.reflow {
		s.rewrap(columns)
	} else {
		for i := range s.lines {
			s.lines[i].continues = false
			s.lines[i].cells = s.lines[i].cells[:min(columns, len(s.lines[i].cells))]
		}
	}
	s.columns, s.rows = columns, rows
	s.col = s.column()
	// The last lines are shown, but never without the cursor's; what is then below the screen is lost.
	s.top = max(0, min(s.row, len(s.lines)-rows))
	s.lines = s.lines[:min(len(s.lines), s.top+rows)]
	s.lines[len(s.lines)-1].continues = false
}

func (s *Screen) rewrap(columns int) {
	var out []line
	row, col := 0, 0
	var whole []string
	at := -1 // the cursor's cell in whole
	for i, l := range s.lines {
		if i == s.row {
			at = len(whole) + s.col
		}
		whole = append(whole, l.cells...)
		if l.continues {
			continue
		}
		parts := split(whole, columns)
		if at >= 0 {
			row, col = place(parts, at)
			row += len(out)
		}
		out = append(out, parts...)
		whole, at = nil, -1
	}
	s.lines, s.row, s.col = out, row, col
}

// split breaks cells into lines; a wide character is not cut.
func split(cells []string, columns int) []line {
	var out []line
	for len(cells) > columns {
		n := columns
		if cells[n] == "" && n > 1 {
			n--
		}
		out = append(out, line{cells: cells[:n:n], continues: true})
		cells = cells[n:]
	}
	return append(out, line{cells: cells})
}

// place finds where a cell of the whole line has come to.
func place(parts []line, at int) (row, col int) {
	for row < len(parts)-1 && at >= len(parts[row].cells) {
		at -= len(parts[row].cells)
		row++
	}
	return row, at
}
