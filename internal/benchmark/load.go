package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// job is what a process that makes load is asked to do.
type job struct {
	Address      string
	Secure       bool // HTTPS and HTTP/2, else HTTP/1.1
	Method, Path string
	Upload       int      // bytes of the body
	Bare         bool     // sends what curl does, not what a browser does
	Identity     bool     // takes no content coding
	Cookies      []string // used in turn; none if empty
	Connections  int
	Duration     time.Duration
	// Every is the time between two requests, over all connections. 0 means that
	// each connection sends its next one when it has its answer.
	Every time.Duration
}

// result is what came of a job.
type result struct {
	Elapsed time.Duration
	// Latencies of the requests that count, and when they began.
	Latencies []time.Duration
	Began     []time.Time
	// All is how many requests there were, those included that came before
	// everything was running.
	All     int
	Failed  int
	Failure string
}

// settle is the time at the beginning of a job that does not count.
const settle = 200 * time.Millisecond

// startLoad has a process of its own do a job.
func startLoad(ctx context.Context, j job) (*result, error) {
	cmd, err := command(ctx, roleLoad, 1)
	if err != nil {
		return nil, err
	}
	var in, out, errs bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(j); err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := ofOthers.start(cmd); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("making load: %w\n%s", err, errs.String())
	}
	r := new(result)
	if err := gob.NewDecoder(&out).Decode(r); err != nil {
		return nil, fmt.Errorf("reading the result: %w", err)
	}
	return r, nil
}

// sender sends the requests of one connection, one at a time.
type sender interface {
	// send sends a request with a cookie and reads the answer.
	send(cookie string) error
	close()
}

// runLoad does the job that it reads, and writes the result.
func runLoad(in io.Reader, out io.Writer) error {
	var j job
	if err := gob.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	senders, err := newSenders(j)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range senders {
			s.close()
		}
	}()
	start := time.Now().Add(settle)
	results := make([]result, len(senders))
	var wg sync.WaitGroup
	for i, s := range senders {
		wg.Go(func() { results[i] = j.drive(s, i, start) })
	}
	wg.Wait()

	total := result{Elapsed: j.Duration}
	for _, r := range results {
		total.All += r.All
		total.Latencies = append(total.Latencies, r.Latencies...)
		total.Began = append(total.Began, r.Began...)
		if r.Failed > 0 {
			total.Failed += r.Failed
			total.Failure = r.Failure
		}
	}
	return gob.NewEncoder(out).Encode(total)
}

func newSenders(j job) ([]sender, error) {
	if j.Secure {
		return newHTTP2Senders(j), nil
	}
	senders := make([]sender, j.Connections)
	for i := range senders {
		s, err := newHTTP1Sender(j)
		if err != nil {
			return nil, err
		}
		senders[i] = s
	}
	return senders, nil
}

// drive sends one connection's requests until the time is over.
func (j job) drive(s sender, number int, start time.Time) result {
	var r result
	end := start.Add(j.Duration)
	pause := j.Every * time.Duration(j.Connections)
	due := start.Add(-settle + j.Every*time.Duration(number))
	for n := number; ; n += j.Connections {
		if pause > 0 {
			// When a request is late, its wait counts.
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		if !due.Before(end) {
			return r
		}
		cookie := ""
		if len(j.Cookies) > 0 {
			cookie = j.Cookies[n%len(j.Cookies)]
		}
		err := s.send(cookie)
		r.All++
		if err != nil {
			r.Failed++
			r.Failure = err.Error()
			return r
		}
		if now := time.Now(); !due.Before(start) && (pause > 0 || now.Before(end)) {
			r.Latencies = append(r.Latencies, now.Sub(due))
			r.Began = append(r.Began, due)
		}
		due = due.Add(pause)
	}
}

// percentile returns the latency that so many percent do not exceed.
func percentile(latencies []time.Duration, percent float64) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(latencies))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*percent/100))]
}
