package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// http2Sender sends requests over one of the streams of a connection that all
// of them share.
type http2Sender struct {
	client *http.Client
	job    job
	header http.Header
}

func newHTTP2Senders(j job) []sender {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	client := &http.Client{
		Transport: &http.Transport{
			Protocols: protocols, DisableCompression: true,
			TLSClientConfig: trusting.Clone(),
		},
		Timeout: time.Minute,
	}
	header := make(http.Header)
	for name, value := range j.headers() {
		header.Set(name, value)
	}
	senders := make([]sender, j.Connections)
	for i := range senders {
		senders[i] = &http2Sender{client: client, job: j, header: header.Clone()}
	}
	return senders
}

func (s *http2Sender) close() { s.client.CloseIdleConnections() }

func (s *http2Sender) send(cookie string) error {
	var body io.Reader
	if s.job.Upload > 0 {
		body = bytes.NewReader(bytes.Repeat([]byte("A"), s.job.Upload))
	}
	req, err := http.NewRequestWithContext(context.Background(), s.job.Method, "https://"+s.job.Address+s.job.Path, body)
	if err != nil {
		return err
	}
	if cookie != "" {
		s.header["Cookie"] = []string{cookie}
	}
	req.Header = s.header
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 || res.ProtoMajor != 2 {
		return fmt.Errorf("%s answered with %s", res.Proto, res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
