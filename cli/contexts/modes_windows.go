package contexts

const modesCount = false
