package entrypoint

import "os"

func owner(string) func(*os.File) error { return func(*os.File) error { return nil } }
