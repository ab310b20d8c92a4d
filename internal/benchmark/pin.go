package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// pin is a set of cores that a process keeps to. The two servers that are
// compared have the first core, one at a time, and what surrounds them has the
// others: so none of it takes turns with what is measured.
type pin int

const (
	ofServer pin = iota + 1
	ofOthers
)

// start starts a process on its cores, where there is more than one.
func (p pin) start(cmd *exec.Cmd) error {
	// A thread's affinity is inherited by the process that it starts.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("asking for the cores: %w", err)
	}
	if all.Count() < 2 {
		return cmd.Start()
	}
	first := true
	for core := range len(all) * 64 {
		if !all.IsSet(core) {
			continue
		}
		if first == (p == ofServer) {
			own.Set(core)
		}
		first = false
	}
	if err := unix.SchedSetaffinity(0, &own); err != nil {
		return fmt.Errorf("keeping to a core: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &all) }() // as it was
	return cmd.Start()
}
