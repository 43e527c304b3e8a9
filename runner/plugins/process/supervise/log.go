package supervise

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxLog is the size at which the output begins a new file. The one before is kept, so that no more than twice as
// much is on disk.
const maxLog = 5 << 20

// logFile is a file of bounded size. It is used by one goroutine.
type logFile struct {
	path string
	max  int64
	file *os.File
	size int64
}

func openLog(path string, limit int64) (*logFile, error) {
	l := &logFile{path: path, max: limit}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write never fails: a full disk must not stop the process whose output this is.
func (l *logFile) Write(p []byte) (int, error) {
	if l.size >= l.max {
		_ = l.file.Close()
		_ = os.Rename(l.path, l.path+".1")
		if err := l.open(); err != nil {
			l.file, l.size = nil, 0
		}
	}
	if l.file != nil {
		n, _ := l.file.Write(p)
		l.size += int64(n)
	}
	return len(p), nil
}

func (l *logFile) Close() { _ = l.file.Close() }

// maxTail is how much of the end of a log is looked at.
const maxTail = 64 << 10

// Tail gives the last n lines of the output kept in dir.
func Tail(dir string, n int) []string {
	lines := tailOf(LogFile(dir), n)
	if len(lines) < n {
		lines = append(tailOf(LogFile(dir)+".1", n-len(lines)), lines...)
	}
	return lines
}

func tailOf(path string, n int) []string {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(0, info.Size()-maxTail)
	b, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil
	}
	if from > 0 {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	text := strings.TrimRight(strings.ToValidUTF8(string(b), "\uFFFD"), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-n):]
}
