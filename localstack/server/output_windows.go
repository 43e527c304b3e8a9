package server

import "os"

// redirectOutput cannot be done here: an open file is not renamed either, so that this is never reached.
func redirectOutput(*os.File) {}
