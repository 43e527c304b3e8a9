values = { a = 1 }
