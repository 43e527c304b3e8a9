package filecopy

import (
	"os"
	"time"
)

// rename tries again for a second: a reader that has the old file open is in the way here.
func rename(from, to string) error {
	var err error
	for range 50 {
		if err = os.Rename(from, to); err == nil || os.IsNotExist(err) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
