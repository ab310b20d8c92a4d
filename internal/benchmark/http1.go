package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"net"
	"strconv"
	"strings"
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

// browserHeaders are what Chromium 148 sends with a fetch of a page's own
// origin, besides Host, Connection and Cookie.
const browserHeaders = `sec-ch-ua-platform: "Linux"
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36
sec-ch-ua: "Not/A)Brand";v="99", "Chromium";v="148"
sec-ch-ua-mobile: ?0
Accept: */*
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: cors
Sec-Fetch-Dest: empty
Referer: http://127.0.0.1:8080/
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9`

// bareHeaders are what curl sends.
const bareHeaders = `User-Agent: curl/8.14.1
Accept: */*`

// headers is what the client of a job sends.
func (j job) headers() iter.Seq2[string, string] {
	if j.Bare {
		return headerLines(bareHeaders)
	}
	return headerLines(browserHeaders)
}

// headerLines yields the names and values of headers that are written one a line.
func headerLines(lines string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for line := range strings.Lines(lines) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if !yield(name, value) {
				return
			}
		}
	}
}

func newHTTP1Sender(j job) (*http1Sender, error) {
	conn, err := net.DialTimeout("tcp", j.Address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	s := &http1Sender{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}
	s.before = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", j.Method, j.Path, j.Address)
	for name, value := range j.headers() {
		if j.Identity && name == "Accept-Encoding" {
			continue
		}
		s.before = fmt.Appendf(s.before, "%s: %s\r\n", name, value)
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
