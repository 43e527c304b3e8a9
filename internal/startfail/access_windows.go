package startfail

func mayExecute(string) bool { return true }
