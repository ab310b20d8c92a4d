//go:build unix

package redistest

import "syscall"

// Pause freezes the server: connections stay open and nothing is answered,
// which is what a network that swallows packets looks like. End it with Resume.
func (s *Server) Pause() { s.tb.Helper(); s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.tb.Helper(); s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.tb.Fatalf("the server at %s does not run", s.Addr)
	}
	if err := s.process.cmd.Process.Signal(signal); err != nil {
		s.tb.Fatalf("signal %v to the server at %s: %v", signal, s.Addr, err)
	}
}
