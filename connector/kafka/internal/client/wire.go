package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerLimit bounds an answer to a question of the start-up check. The largest is the metadata of an
// old broker, which names every topic.
const answerLimit = 64 << 20

var (
	errNotKafka = errors.New("it answers, but not with Kafka's protocol")
	errAlert    = errors.New("it answers with an alert of TLS")
)

// ask sends one request in one version over a connection of its own and reads the answer. It is for
// questions to brokers about which nothing is known yet: franz-go begins every connection in a way that
// brokers before 0.10 do not survive, and hides what happened on it. Requests must not be of a
// flexible version.
func ask(ctx context.Context, conn net.Conn, clientID string, req kmsg.Request,
	version int16) (kmsg.Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	resp, err := exchange(conn, clientID, req, version)
	if err != nil && ctx.Err() != nil { // it is the deadline that was set above
		return nil, ctx.Err()
	}
	return resp, err
}

func exchange(conn net.Conn, clientID string, req kmsg.Request, version int16) (kmsg.Response, error) {
	const correlation = 1
	req.SetVersion(version)
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	if _, err := conn.Write(format.AppendRequest(nil, req, correlation)); err != nil {
		return nil, err
	}
	var head [8]byte
	if n, err := io.ReadFull(conn, head[:]); err != nil {
		// Brokers with TLS answer plain text with an alert, if with anything.
		if n >= 2 && head[0] == 0x15 && head[1] == 3 { // alert, version 3.x; an alert has only 7 bytes
			return nil, errAlert
		}
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(head[:4]))
	switch {
	case head[0] == 0x15 && head[1] == 3:
		return nil, errAlert
	case size < 4 || size > answerLimit || binary.BigEndian.Uint32(head[4:]) != correlation:
		return nil, errNotKafka
	}
	// The size is the word of whoever answers; memory is taken only as bytes come.
	body := make([]byte, 0, min(size-4, 1<<16))
	body, err := readN(conn, body, int(size-4))
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotKafka, err)
	}
	return resp, nil
}

// readN reads n bytes, taking memory only as they come.
func readN(r io.Reader, buf []byte, n int) ([]byte, error) {
	for len(buf) < n {
		chunk := min(n-len(buf), 1<<16)
		start := len(buf)
		buf = append(buf, make([]byte, chunk)...)
		if _, err := io.ReadFull(r, buf[start:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// isClosed says whether the other side ended the connection without a word.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err,
		syscall.ECONNABORTED)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
