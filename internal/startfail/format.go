package startfail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// firstLine is how much of a script the kernel reads for its interpreter.
const firstLine = 256

// script is what the first line of a script says.
type script struct {
	path        string
	interpreter string
	// windows: the line ends as Windows ends lines.
	windows bool
}

func head(path string, size int) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, size)
	n, _ := io.ReadFull(f, buf)
	return buf[:n]
}

func readScript(path string) (script, bool) {
	line, ok := bytes.CutPrefix(head(path, firstLine), []byte("#!"))
	if !ok {
		return script{}, false
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	s := script{path: path, windows: bytes.HasSuffix(line, []byte("\r"))}
	// Only blanks and tabs end the interpreter: the carriage return is part of what the kernel looks for.
	if fields := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }); len(fields) > 0 {
		s.interpreter = string(fields[0])
	}
	return s, true
}

const windowsEnds = "the script has Windows line ends (CR LF); convert it, for example with dos2unix, " +
	"and keep it so with \"* text eol=lf\" in .gitattributes"

func (s script) missing() string {
	switch {
	case s.interpreter == "" || s.interpreter == "\r":
		return "its first line (#!) names no interpreter"
	case strings.HasSuffix(s.interpreter, "\r"):
		return fmt.Sprintf("its interpreter %q does not exist: %s", s.interpreter, windowsEnds)
	case !filepath.IsAbs(s.interpreter):
		return fmt.Sprintf("its first line names the interpreter %s, which is not an absolute path: write #!/usr/bin/env %s", s.interpreter, filepath.Base(s.interpreter))
	}
	if _, err := os.Stat(s.interpreter); err != nil {
		return fmt.Sprintf("its interpreter %s does not exist here: install it, or name another one in the first line of the script", s.interpreter)
	}
	return fmt.Sprintf("its interpreter %s cannot be started: %s", s.interpreter, missing(s.interpreter))
}

// WindowsLineEnds reports whether a file is a script whose first line ends as Windows ends lines, and the sentence for
// it. A script that starts with "#!/usr/bin/env sh\r" can be started and ends at once, with exit code 127.
func WindowsLineEnds(path string) (string, bool) {
	s, ok := readScript(path)
	return windowsEnds, ok && s.windows
}

// foreign explains that the system does not know a file's format.
func foreign(path string) string {
	start := head(path, firstLine)
	switch {
	case len(start) == 0:
		return "the file is empty"
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf#!")):
		return "the script begins with a byte order mark, before its #! line: save it without one"
	case bytes.HasPrefix(start, []byte("MZ")):
		return built("Windows")
	case isMachO(start):
		return built("macOS")
	}
	if program, ok := readELF(path); ok {
		if runtime.GOOS != "linux" {
			return built("Linux")
		}
		if program.machine != "" && program.machine != runtime.GOARCH {
			return fmt.Sprintf("it was built for the architecture %s, and this machine is %s: build it for %s, or the image with another platform",
				program.machine, runtime.GOARCH, runtime.GOARCH)
		}
		return "the program is damaged, or was built for another system"
	}
	if s, ok := readScript(path); ok {
		if s.interpreter == "" {
			return s.missing()
		}
		return fmt.Sprintf("its interpreter %s cannot be started: %s", s.interpreter, foreign(s.interpreter))
	}
	if bytes.IndexByte(start, 0) < 0 {
		return "it is a text file without a first line that names its interpreter, such as #!/bin/sh"
	}
	return "it is not a program that this system can run"
}

func built(system string) string {
	return fmt.Sprintf("it is a program for %s, and this is %s: build it with GOOS=%s, or your compiler's setting for that", system, systemName(), runtime.GOOS)
}

func systemName() string {
	switch runtime.GOOS {
	case "linux":
		return "Linux"
	case "darwin":
		return "macOS"
	case "windows":
		return "Windows"
	}
	return runtime.GOOS
}

func isMachO(start []byte) bool {
	if len(start) < 4 {
		return false
	}
	switch binary.BigEndian.Uint32(start) {
	case 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe:
		return true
	}
	return false
}

// program is what the header of an ELF file says. It is read by hand: debug/elf would add a third of a megabyte to the
// entrypoint.
type program struct {
	// machine as Go names it; empty: unknown.
	machine string
	// loader of a dynamically linked program.
	loader string
}

func readELF(path string) (program, bool) {
	f, err := os.Open(path)
	if err != nil {
		return program{}, false
	}
	defer func() { _ = f.Close() }()
	h := make([]byte, 64)
	if _, err := f.ReadAt(h, 0); err != nil && err != io.EOF || !bytes.HasPrefix(h, []byte("\x7fELF")) {
		return program{}, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h[5] == 2 {
		order = binary.BigEndian
	}
	p := program{machine: machineName(order.Uint16(h[18:]), h[4] == 2, h[5] == 2)}
	p.loader = loader(f, h, order)
	return p, true
}

func machineName(machine uint16, wide, bigEndian bool) string {
	switch machine {
	case 3:
		return "386"
	case 8:
		return "mips"
	case 21:
		if bigEndian {
			return "ppc64"
		}
		return "ppc64le"
	case 22:
		return "s390x"
	case 40:
		return "arm"
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	case 243:
		if wide {
			return "riscv64"
		}
		return "riscv32"
	case 258:
		return "loong64"
	}
	return ""
}

// loader reads the name in the program header PT_INTERP (3).
func loader(f io.ReaderAt, h []byte, order binary.ByteOrder) string {
	const interp = 3
	wide := h[4] == 2
	at, size, count := int64(order.Uint32(h[28:])), int64(order.Uint16(h[42:])), int(order.Uint16(h[44:]))
	if wide {
		at, size, count = int64(order.Uint64(h[32:])), int64(order.Uint16(h[54:])), int(order.Uint16(h[56:])) //nolint:gosec // a wrong offset is a failed read
	}
	if size < 32 || size > 256 || wide && size < 56 {
		return ""
	}
	entry := make([]byte, size)
	for i := range count {
		if _, err := f.ReadAt(entry, at+int64(i)*size); err != nil {
			return ""
		}
		if order.Uint32(entry) != interp {
			continue
		}
		offset, length := int64(order.Uint32(entry[4:])), int64(order.Uint32(entry[16:]))
		if wide {
			offset, length = int64(order.Uint64(entry[8:])), int64(order.Uint64(entry[32:])) //nolint:gosec // a wrong offset is a failed read
		}
		if length <= 0 || length > 4096 {
			return ""
		}
		name := make([]byte, length)
		if _, err := f.ReadAt(name, offset); err != nil {
			return ""
		}
		return string(bytes.TrimRight(name, "\x00"))
	}
	return ""
}
