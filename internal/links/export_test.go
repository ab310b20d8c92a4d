package links

// MemoryInUse returns how many bytes are counted.
func MemoryInUse() int64 { return wholeMemory.Load() }

// Reserve counts memory, or no longer if n is negative.
func Reserve(n int64) bool { return reserve(n) }
