package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startTimeout is how long a server may take until it listens.
const startTimeout = 20 * time.Second

// command returns a command of this program in a role.
func command(ctx context.Context, role string, cores int, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GOMAXPROCS="+strconv.Itoa(cores))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}

// process is a server in a process of its own.
type process struct {
	addr   string
	far    string // the same, far away, if it can be reached there
	pin    pin
	cmd    *exec.Cmd
	cancel context.CancelFunc
	output bytes.Buffer // to be read once the process has ended
}

// start starts a server and waits until it can be reached.
func (p *process) start(cmd *exec.Cmd, dial func(addr string) (net.Conn, error)) error {
	p.cmd = cmd
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	if err := p.pin.start(cmd); err != nil {
		return err
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		conn, err := dial(p.addr)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			p.stop()
			return fmt.Errorf("a server did not start: %w\n%s", err, p.log())
		}
	}
}

func dialPlain(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, time.Second) }

// dialTLS is in vain while Caddy has no certificate yet.
func dialTLS(addr string) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", addr, trusting)
}

// trusting is for servers whose certificate is Caddy's own for this run, on
// this machine.
var trusting = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above

// stop ends the process and waits for that.
func (p *process) stop() {
	p.cancel()
	_ = p.cmd.Wait() // it was interrupted
}

// log ends the process, since it writes the log, and returns that.
func (p *process) log() string {
	p.stop()
	return p.output.String()
}

// cpu returns the CPU time that the process has had.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	// The second field is the program's name in parentheses, which may itself
	// hold anything; utime and stime are the 14th and 15th (proc_pid_stat(5)).
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("reading the CPU time: too few fields")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / ticksPerSecond), errors.Join(err1, err2)
}

// ticksPerSecond is USER_HZ, which is the same on every Linux that Go runs on.
const ticksPerSecond = 100

// caddyProcess is a Caddy under test.
type caddyProcess struct {
	process
	home   string
	admin  string // address of its profiles, if it has them
	secure bool
}

func startCaddy(ctx context.Context, upstreamAddr string, sc scenario, s settings, caddyfile func(upstreamAddr, addr string, sc scenario) string) (*caddyProcess, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if s.profiles != "" {
		if sc.admin, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	home, err := os.MkdirTemp("", "caddy-spotify-benchmark-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(home, "Caddyfile")
	ctx, cancel := context.WithCancel(ctx)
	c := &caddyProcess{process: process{addr: addr, pin: ofServer, cancel: cancel}, home: home, admin: sc.admin, secure: sc.secure}
	cmd, err := command(ctx, roleCaddy, 1, "run", "--config", path, "--adapter", "caddyfile")
	if err == nil {
		cmd.Env = append(cmd.Env, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
		err = os.WriteFile(path, []byte(caddyfile(upstreamAddr, addr, sc)), 0o600)
	}
	if err == nil {
		dial := dialPlain
		if sc.secure {
			dial = dialTLS
		}
		err = c.start(cmd, dial)
	}
	if err != nil {
		cancel()
		_ = os.RemoveAll(home)
		return nil, err
	}
	return c, nil
}

// stop ends it and removes what it stored.
func (c *caddyProcess) stop() {
	c.process.stop()
	_ = os.RemoveAll(c.home)
}

func (c *caddyProcess) url() string {
	if c.secure {
		return "https://" + c.addr
	}
	return "http://" + c.addr
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
