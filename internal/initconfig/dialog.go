package initconfig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// dialog asks questions.
type dialog struct {
	in  *bufio.Scanner
	out io.Writer
}

// maxAnswer bounds a line of the input, in bytes.
const maxAnswer = 16 << 10

func newLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxAnswer)
	return lines
}

// ask sets what is asked for: to the flag, if there is one, and otherwise to the
// first answer that is right. At the end of the input the default stands in for an
// answer that was not given, but not for one that was wrong.
func (d *dialog) ask(q question, flag string, isSet bool) error {
	if isSet {
		if err := q.set(strings.TrimSpace(flag)); err != nil {
			return fmt.Errorf("--%s: %w", q.flag, err)
		}
		return nil
	}
	var wrong error
	for {
		if q.fallback == "" {
			fmt.Fprintf(d.out, "%s: ", q.text)
		} else {
			fmt.Fprintf(d.out, "%s [%s]: ", q.text, q.fallback)
		}
		more := d.in.Scan()
		answer := strings.TrimSpace(d.in.Text())
		if !more {
			fmt.Fprintln(d.out)
			if err := d.in.Err(); errors.Is(err, bufio.ErrTooLong) {
				return fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
			} else if err != nil {
				return fmt.Errorf("reading the answer: %w", err)
			}
			answer = ""
		}
		if answer == "" {
			answer = q.fallback
		}
		switch {
		case !more && wrong != nil:
		case answer == "" && q.required:
			wrong = errors.New("an answer is required")
		default:
			if wrong = q.set(answer); wrong == nil {
				return nil
			}
		}
		if !more {
			return fmt.Errorf("there is no more input; give --%s: %w", q.flag, wrong)
		}
		fmt.Fprintf(d.out, "  %s\n", strings.ReplaceAll(wrong.Error(), "\n", "\n  "))
	}
}
