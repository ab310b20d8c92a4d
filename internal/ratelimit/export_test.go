package ratelimit

// MaxAccounts is how many accounts are told apart at most.
const MaxAccounts = maxAccounts

// Accounts returns how many accounts g remembers.
func Accounts(g *Gate) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.share.accounts)
}

// MaxOperations is how many operations are told apart at most.
const MaxOperations = maxOperations

// Operations returns how many operations g remembers.
func Operations(g *Gate) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.operations)
}
