package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// http1Sender speaks HTTP/1.1 with as little work as it takes, since it shares
// the machine with what it measures.
type http1Sender struct {
	conn    net.Conn
	r       *bufio.Reader
	before  []byte // of a request, up to the cookie
	after   []byte
	request []byte
}

// browserHeaders are what a page's fetch sends.
const browserHeaders = "Accept: application/json\r\nAccept-Language: en\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"

func newHTTP1Sender(j job) (*http1Sender, error) {
	conn, err := net.DialTimeout("tcp", j.Address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	s := &http1Sender{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}
	s.before = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", j.Method, j.Path, j.Address, browserHeaders)
	if j.Packed {
		s.before = append(s.before, "Accept-Encoding: gzip\r\n"...)
	}
	if j.Upload > 0 {
		s.after = fmt.Appendf(nil, "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", j.Upload)
		s.after = append(s.after, bytes.Repeat([]byte("A"), j.Upload)...)
	} else {
		s.after = []byte("\r\n")
	}
	return s, nil
}

func (s *http1Sender) close() { _ = s.conn.Close() }

func (s *http1Sender) send(cookie string) error {
	s.request = append(s.request[:0], s.before...)
	if cookie != "" {
		s.request = append(append(append(s.request, "Cookie: "...), cookie...), '\r', '\n')
	}
	s.request = append(s.request, s.after...)
	if _, err := s.conn.Write(s.request); err != nil {
		return err
	}
	return s.receive()
}

// receive reads an answer, whose status must be a success.
func (s *http1Sender) receive() error {
	line, err := s.line()
	if err != nil {
		return err
	}
	if len(line) < 12 || line[9] != '2' {
		rest, _ := s.r.Peek(min(s.r.Buffered(), 1000))
		return fmt.Errorf("%s: %s", line, rest)
	}
	length, chunked := int64(0), false
	for {
		if line, err = s.line(); err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	if !chunked {
		return s.skip(length)
	}
	for {
		if line, err = s.line(); err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(line), 16, 64)
		if err != nil {
			return err
		}
		if err := s.skip(size + 2); err != nil || size == 0 {
			return err
		}
	}
}

func (s *http1Sender) line() ([]byte, error) {
	line, err := s.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

func (s *http1Sender) skip(n int64) error {
	_, err := io.CopyN(io.Discard, s.r, n)
	return err
}
